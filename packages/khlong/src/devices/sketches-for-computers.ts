import { frameTopic } from './mosquitto-files.ts'
import type { SketchFacts } from './sketch.ts'

// JSON text is also a literal of Python, JavaScript and C++ for what names, places and secrets may hold.
const literal = JSON.stringify

/** For Python 3 with paho-mqtt 2. */
export function pythonSketch({ device, secret, host, port, tls }: SketchFacts): string {
  const { name, id, place, rate = 1 } = device
  const authority = tls?.authority
  return `# ${name}: pip install paho-mqtt, then python ${name}.py
import json, random, ${tls ? 'ssl, ' : ''}time
import paho.mqtt.client as mqtt

HOST, PORT = ${literal(host)}, ${port}
NAME, SECRET = ${literal(name)}, ${literal(secret)}
ID, PLACE = ${literal(id)}, ${literal(place)}
${authority === undefined ? '' : `AUTHORITY = """${authority}"""\n`}

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
    print("command:", action, params, flush=True)


def on_connect(client, userdata, flags, reason, properties):
    print("connected:", reason)
    client.subscribe(f"devices/{NAME}/commands", qos=1)


def on_message(client, userdata, message):
    try:
        command = json.loads(message.payload)
        answer = {"id": command["id"]}
        if command["id"] not in done:  # it may come twice
            done.append(command["id"])
            del done[:-100]
            act(command["action"], command["params"])
        client.publish(f"devices/{NAME}/commands/ack", json.dumps(answer), qos=1)
    except Exception as error:
        print("no command:", error)


done = []
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=NAME, clean_session=False)
client.username_pw_set(NAME, SECRET)
${tls ? `client.tls_set_context(ssl.create_default_context(${authority === undefined ? '' : 'cadata=AUTHORITY'}))\n` : ''}client.on_connect = on_connect
client.on_message = on_message
client.max_queued_messages_set(1000)
client.connect_async(HOST, PORT)
client.loop_start()
boot, seq = f"{random.getrandbits(48):012x}", 0
while True:
    seq += 1
    frame = {
        "id": ID,
        "name": NAME,
        "place_id": PLACE,
        "timestamp": int(time.time() * 1000),
        "payload": measure(),
        "seq": seq,
        "boot": boot,
    }
    client.publish("${frameTopic}", json.dumps(frame), qos=1)
    time.sleep(${1 / rate})
`
}

/** For Node 20 and newer with MQTT.js 5. */
export function nodeSketch({ device, secret, host, port, tls }: SketchFacts): string {
  const { name, id, place, rate = 1 } = device
  const authority = tls?.authority
  return `// ${name}: npm install mqtt, then node ${name}.mjs
import { randomBytes } from 'node:crypto'
import mqtt from 'mqtt'

const name = ${literal(name)}
const client = mqtt.connect(${literal(`${tls ? 'mqtts' : 'mqtt'}://${host}:${port}`)}, {
  clientId: name,
  username: name,
  password: ${literal(secret)},
  clean: false,
  reconnectOnConnackError: true,
${authority === undefined ? '' : `  ca: \`${authority}\`,\n`}})
const between = (low, high) => Math.round((low + Math.random() * (high - low)) * 10) / 10

function measure() {
  // Put your sensor here.
  return {
    temperature: between(20, 25),
    humidity: between(40, 60),
    pressure: between(1008, 1018),
    luminosity: Math.round(between(100, 900)),
  }
}

function act(action, params) {
  // Do here what the device is told.
  console.log('command:', action, params)
}

const done = []
client.on('connect', () => {
  console.log('connected')
  client.subscribe(\`devices/\${name}/commands\`, { qos: 1 })
})
client.on('error', (error) => console.error(error.message))
client.on('message', (topic, payload) => {
  try {
    const { id, action, params } = JSON.parse(payload)
    if (!done.includes(id)) {
      // It may come twice.
      done.push(id)
      done.splice(0, done.length - 100)
      act(action, params)
    }
    client.publish(\`\${topic}/ack\`, JSON.stringify({ id }), { qos: 1 })
  } catch (error) {
    console.error('no command:', error.message)
  }
})

const boot = randomBytes(6).toString('hex')
let seq = 0
setInterval(() => {
  if (!client.connected) return
  const frame = {
    id: ${literal(id)},
    name,
    place_id: ${literal(place)},
    timestamp: Date.now(),
    payload: measure(),
    seq: ++seq,
    boot,
  }
  client.publish('${frameTopic}', JSON.stringify(frame), { qos: 1 })
}, ${1_000 / rate})
`
}
