// Node-RED without its editor; its functions share one pool of connections to the database.
const { Pool } = require("pg");

module.exports = {
  uiPort: Number(process.env.PEER_PORT),
  uiHost: "127.0.0.1",
  userDir: process.env.PEER_FOLDER,
  flowFile: "flows.json",
  credentialSecret: false,
  httpAdminRoot: false,
  disableEditor: true,
  apiMaxLength: "5mb",
  functionGlobalContext: {
    pool: new Pool({
      host: process.env.PEER_PGHOST,
      port: Number(process.env.PEER_PGPORT),
      user: process.env.PEER_PGUSER,
      database: process.env.PEER_PGDATABASE,
      max: 10,
    }),
  },
  logging: { console: { level: "warn", metrics: false, audit: false } },
};
