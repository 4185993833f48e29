import type { ConsoleSetup } from '../../src/model/platform.ts'

export type CommandKind = 'mosquitto' | 'khlong' | 'python' | 'esp32'

export const ownSensor = { id: '777', name: 'my_sensor', place: '32347983' }

/** A frame of one's own, as a person would write it. */
export function ownFrame(id: string = ownSensor.id, nowMs: number = Date.now()): object {
  const random = (low: number, high: number): number =>
    Math.round((low + Math.random() * (high - low)) * 10) / 10
  return {
    id,
    name: id === ownSensor.id ? ownSensor.name : `sensor_${id}`,
    place_id: ownSensor.place,
    date: new Date(nowMs).toISOString().replace('Z', '+0000'),
    timestamp: nowMs,
    payload: {
      temperature: random(24, 31),
      humidity: random(50, 70),
      pressure: random(1008, 1016),
      luminosity: Math.round(random(9_000, 30_000)),
    },
  }
}

/** The line that sends a frame with a client that people have. */
export function frameCommand(
  setup: ConsoleSetup | undefined,
  kind: CommandKind,
  id: string = ownSensor.id,
): string {
  const { host: listen, port, topic, isTls, needsLogin } = setup?.mqtt ?? unknownMqtt
  const host = isEverywhere(listen) ? location.hostname : listen
  const values = '"temperature":27.5,"humidity":61,"pressure":1012,"luminosity":18400'
  const json = `{"id":"${id}","name":"${ownSensor.name}","place_id":"${ownSensor.place}","timestamp":'$(date +%s000)',"payload":{${values}}}`
  switch (kind) {
    case 'mosquitto':
      return `mosquitto_pub -h ${host} -p ${port}${isTls ? ' --cafile ca.crt' : ''}${needsLogin ? ' -u NAME -P SECRET' : ''} -t ${topic} -q 1 -m '${json}'`
    case 'khlong':
      return `npx khlong mqtt pub --url ${isTls ? 'mqtts' : 'mqtt'}://${needsLogin ? 'NAME:SECRET@' : ''}${host}:${port}${isTls ? ' --cafile ca.crt' : ''} ${topic} '${json}'`
    case 'python':
      return [
        'import json, time, paho.mqtt.publish as mqtt',
        `frame = {"id": "${id}", "name": "${ownSensor.name}", "place_id": "${ownSensor.place}",`,
        '  "timestamp": int(time.time() * 1000),',
        '  "payload": {"temperature": 27.5, "humidity": 61, "pressure": 1012, "luminosity": 18400}}',
        `mqtt.single("${topic}", json.dumps(frame), qos=1, hostname="${host}", port=${port}${
          needsLogin ? ', auth={"username": "NAME", "password": "SECRET"}' : ''
        }${isTls ? ', tls={"ca_certs": "ca.crt"}' : ''})`,
      ].join('\n')
    case 'esp32':
      return [
        '// Arduino, library PubSubClient (QoS 0)',
        `client.setServer("${host}", ${port});`,
        `client.connect("esp32-${id}"${needsLogin ? ', "NAME", "SECRET"' : ''});`,
        'char frame[256];',
        'snprintf(frame, sizeof frame,',
        `  "{\\"id\\":\\"${id}\\",\\"name\\":\\"${ownSensor.name}\\",\\"place_id\\":\\"${ownSensor.place}\\","`,
        '  "\\"timestamp\\":%lld,\\"payload\\":{\\"temperature\\":%.1f,\\"humidity\\":%.1f,"',
        '  "\\"pressure\\":%.1f,\\"luminosity\\":%d}}", now, t, h, p, lux);',
        `client.publish("${topic}", frame);`,
      ].join('\n')
  }
}

/** As it is until the server has said where the broker is. */
const unknownMqtt = {
  host: '127.0.0.1',
  port: 1883,
  topic: 'iot-frames',
  isTls: false,
  needsLogin: false,
}

function isEverywhere(host: string): boolean {
  return host === '0.0.0.0' || host === '[::]'
}
