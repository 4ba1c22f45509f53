// Broadcast every MQTT message as it is to every websocket client: the usual small dashboard server.
import mqtt from "mqtt";
import { WebSocketServer } from "ws";

const { brokerUrl, username, password, topic, port } = JSON.parse(process.argv[2]);

const server = new WebSocketServer({ host: "127.0.0.1", port, perMessageDeflate: false });
const client = mqtt.connect(brokerUrl, { username, password, clientId: "node-broadcast", reconnectPeriod: 0 });

client.on("error", (error) => {
  console.error(String(error));
  process.exit(1);
});
client.on("connect", () => {
  client.subscribe(topic, { qos: 0 }, (error) => {
    if (error) {
      console.error(String(error));
      process.exit(1);
    }
    console.log("ready");
  });
});
client.on("message", (_topic, payload) => {
  const text = payload.toString(); // a JSON text frame, as JSON.stringify would have given
  for (const viewer of server.clients) {
    if (viewer.readyState === viewer.OPEN) viewer.send(text);
  }
});
process.on("SIGTERM", () => process.exit(0));
