"""Speak MQTT over websockets by the topics of SensorThings: who follows is told what their account sees."""
