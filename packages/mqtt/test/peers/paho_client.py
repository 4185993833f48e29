"""Says and hears what the test asks for: paho_client.py TRANSPORT PORT VERSION [CERTIFICATES]."""
import json
import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

transport, port, version = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
protocol = {4: mqtt.MQTTv311, 5: mqtt.MQTTv5}[version]
got = []
subscribed = threading.Event()
complete = threading.Event()


def on_message(client, userdata, message):
    entry = [message.topic, message.qos, message.payload.decode(), bool(message.retain)]
    if version == 5 and hasattr(message.properties, "UserProperty"):
        entry.append(message.properties.UserProperty)
    got.append(entry)
    if len(got) == 4:
        complete.set()


client = mqtt.Client(
    mqtt.CallbackAPIVersion.VERSION2, client_id="paho", transport=transport, protocol=protocol
)
if len(sys.argv) > 4:
    folder = sys.argv[4]
    client.tls_set(f"{folder}/ca.crt", f"{folder}/alice.crt", f"{folder}/alice.key")
client.on_message = on_message
client.on_subscribe = lambda *_: subscribed.set()
client.connect("127.0.0.1", port, keepalive=10)
client.loop_start()
client.publish("paho/r", "kept", qos=1, retain=True).wait_for_publish(5)
client.subscribe("paho/#", qos=2)
subscribed.wait(5)
properties = None
if version == 5:
    properties = Properties(PacketTypes.PUBLISH)
    properties.UserProperty = [("b", "1"), ("a", "2"), ("b", "3")]
for qos in (0, 1, 2):
    client.publish("paho/t", f"with {qos}", qos=qos, properties=properties).wait_for_publish(5)
complete.wait(5)
client.disconnect()
client.loop_stop()
print(json.dumps(sorted(got)))
