import { frameTopic } from './mosquitto-files.ts'
import type { SketchFacts } from './sketch.ts'

// A board has no clock before it asked the network for the time, so its frames carry none: the
// pipeline takes the moment at which they came.

const literal = JSON.stringify

/** For an ESP32 in the Arduino IDE, with the library MQTT by Joël Gähwiler. */
export function arduinoSketch({ device, secret, host, port, tls }: SketchFacts): string {
  const { name, id, place, rate = 1 } = device
  const authority = tls?.authority ?? 'the certificate of the authority, as text'
  return `// ${name}: an ESP32. Library manager: "MQTT" by Joel Gaehwiler. Fill in your Wi-Fi.
#include <WiFi.h>
${tls ? '#include <WiFiClientSecure.h>\n' : ''}#include <MQTT.h>

const char WIFI_NAME[] = "your Wi-Fi";
const char WIFI_PASSWORD[] = "its password";

const char HOST[] = ${literal(host)};
const int PORT = ${port};
const char NAME[] = ${literal(name)};
const char SECRET[] = ${literal(secret)};
const char ID[] = ${literal(id)};
const char PLACE[] = ${literal(place)};
${tls ? `const char AUTHORITY[] = R"(${authority}\n)";\n` : ''}
${tls ? 'WiFiClientSecure' : 'WiFiClient'} network;
MQTTClient client(1024);
String boot;
String answer;
String lastCommand;
unsigned long seq = 0;
unsigned long sentAt = 0;

float between(long low, long high) {
  return random(low * 10, high * 10 + 1) / 10.0;
}

// Put your sensor here.
String measure() {
  return String("{\\"temperature\\":") + String(between(20, 25), 1)
    + ",\\"humidity\\":" + String(between(40, 60), 1)
    + ",\\"pressure\\":" + String(between(1008, 1018), 1)
    + ",\\"luminosity\\":" + String(random(100, 900)) + "}";
}

String commands() {
  return String("devices/") + NAME + "/commands";
}

// Do here what the device is told, such as {"id":"1","action":"fan","params":{"seconds":60}}.
void act(const String &command) {
  Serial.println("command: " + command);
}

void onMessage(String &, String &payload) {
  if (payload != lastCommand) act(payload);  // it may come twice
  lastCommand = payload;
  // The library must not publish inside this call: loop() sends the answer, which is the command itself.
  answer = payload;
}

void connect() {
  while (WiFi.status() != WL_CONNECTED) delay(500);
  while (!client.connect(NAME, NAME, SECRET)) {
    Serial.println("MQTT refuses or is not there; again in 5 s");
    delay(5000);
  }
  client.subscribe(commands(), 1);
  Serial.println("connected");
}

void setup() {
  Serial.begin(115200);
  randomSeed(esp_random());
  boot = String((unsigned long)esp_random(), HEX);
  WiFi.begin(WIFI_NAME, WIFI_PASSWORD);
${tls ? '  network.setCACert(AUTHORITY);\n' : ''}  client.begin(HOST, PORT, network);
  client.onMessage(onMessage);
  connect();
}

void loop() {
  client.loop();
  if (!client.connected()) connect();
  if (answer.length() > 0) {
    client.publish(commands() + "/ack", answer, false, 1);
    answer = "";
  }
  if (millis() - sentAt < ${Math.round(1_000 / rate)}UL) return;
  sentAt = millis();
  seq++;
  String frame = String("{\\"id\\":\\"") + ID + "\\",\\"name\\":\\"" + NAME + "\\",\\"place_id\\":\\"" + PLACE
    + "\\",\\"payload\\":" + measure() + ",\\"seq\\":" + String(seq) + ",\\"boot\\":\\"" + boot + "\\"}";
  client.publish("${frameTopic}", frame, false, 1);
}
`
}

/** For MicroPython with umqtt.simple. */
export function micropythonSketch({ device, secret, host, port, tls }: SketchFacts): string {
  const { name, id, place, rate = 1 } = device
  // Boards read certificates in DER: what stands between the lines of PEM.
  const authority = (tls?.authority ?? '').replaceAll(/-----.*-----|\s/g, '')
  return `# ${name}: MicroPython. Save as main.py; mpremote mip install umqtt.simple. Fill in your Wi-Fi.
import ${tls ? 'binascii, ' : ''}json, network, os, random, ${tls ? 'ssl, ' : ''}time
from umqtt.simple import MQTTClient

WIFI_NAME, WIFI_PASSWORD = "your Wi-Fi", "its password"

HOST, PORT = ${literal(host)}, ${port}
NAME, SECRET = ${literal(name)}, ${literal(secret)}
ID, PLACE = ${literal(id)}, ${literal(place)}
COMMANDS = "devices/%s/commands" % NAME
${tls ? `AUTHORITY = "${authority}"${authority === '' ? '  # the certificate of the authority, DER in base64' : ''}\n` : ''}

def measure():
    # Put your sensor here.
    return {
        "temperature": round(random.uniform(20, 25), 1),
        "humidity": round(random.uniform(40, 60), 1),
        "pressure": round(random.uniform(1008, 1018), 1),
        "luminosity": random.randint(100, 900),
    }


def act(action, params):
    # Do here what the device is told.
    print("command:", action, params)


def on_message(topic, message):
    try:
        command = json.loads(message)
        answer = {"id": command["id"]}
        if command["id"] not in done:  # it may come twice
            done.append(command["id"])
            del done[:-20]
            act(command["action"], command["params"])
        client.publish(COMMANDS + "/ack", json.dumps(answer), qos=1)
    except (ValueError, KeyError, TypeError) as error:
        print("no command:", error)


done = []


wifi = network.WLAN(network.STA_IF)
wifi.active(True)
${tls ? 'tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)\ntls.verify_mode = ssl.CERT_REQUIRED\ntls.load_verify_locations(cadata=binascii.a2b_base64(AUTHORITY))\n' : ''}client = MQTTClient(NAME, HOST, port=PORT, user=NAME, password=SECRET, keepalive=60${tls ? ', ssl=tls' : ''})
client.set_callback(on_message)
boot = "".join("%02x" % byte for byte in os.urandom(6))
seq = 0
while True:
    try:
        if not wifi.isconnected():
            wifi.connect(WIFI_NAME, WIFI_PASSWORD)
            while not wifi.isconnected():
                time.sleep(1)
        client.connect(clean_session=False)
        client.subscribe(COMMANDS, qos=1)
        print("connected")
        while True:
            seq += 1
            frame = {
                "id": ID,
                "name": NAME,
                "place_id": PLACE,
                "payload": measure(),
                "seq": seq,
                "boot": boot,
            }
            client.publish("${frameTopic}", json.dumps(frame), qos=1)
            client.check_msg()
            time.sleep(${1 / rate})
    except OSError as error:
        print("again in 5 s:", error)
        time.sleep(5)
`
}
