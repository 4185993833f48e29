import type { FastifyInstance } from 'fastify'
import { GrafanaError, notConfigured } from '../errors.ts'
import { EventStream } from './event-stream.ts'
import type { MqttLink, MqttMessage } from './mqtt-link.ts'

const tailPerSecondMax = 20
const payloadTextMax = 4_000
const publishBytesMax = 262_144
const systemTopicsMs = 600

/** `/-/mqtt/publish`, `/-/mqtt/tail`, `/-/mqtt/system`. */
export function mqttRoutes(app: FastifyInstance, mqtt: MqttLink | undefined): void {
  app.post<{
    Body: { topic?: unknown; payload?: unknown; qos?: unknown; retain?: unknown } | null
  }>('/-/mqtt/publish', async (request) => {
    if (!mqtt) throw notConfigured('mqtt')
    const { topic, payload, qos = 1, retain = false } = request.body ?? {}
    if (typeof topic !== 'string' || topic === '' || /[+#\0]/.test(topic))
      throw new GrafanaError('GRAFANA_BAD_REQUEST', 'expected a topic without wildcards')
    if (qos !== 0 && qos !== 1 && qos !== 2)
      throw new GrafanaError('GRAFANA_BAD_REQUEST', 'expected qos 0, 1 or 2')
    const text = typeof payload === 'string' ? payload : JSON.stringify(payload ?? '')
    const bytes = Buffer.from(text)
    if (bytes.length > publishBytesMax)
      throw new GrafanaError('GRAFANA_BAD_REQUEST', `payload is over ${publishBytesMax} bytes`)
    const atMs = Date.now()
    const tookMs = await mqtt.publish({ topic, payload: bytes, qos, retain: retain === true })
    return { atMs, tookMs, bytes: bytes.length }
  })

  app.get<{ Querystring: { filter?: string } }>('/-/mqtt/tail', async (request, reply) => {
    if (!mqtt) throw notConfigured('mqtt')
    const filter = request.query.filter || '#'
    let ended = false
    let shown = 0
    let hidden = 0
    let pending: object[] = []
    const end = await mqtt.subscribe(filter, (message) => {
      // Thinned here, so that a fast topic costs the browser no more than a slow one.
      if (shown++ < tailPerSecondMax) pending.push(describeMessage(message))
      else hidden++
    })
    const stream = new EventStream(reply, () => {
      ended = true
      clearInterval(timer)
      void end().catch(() => {})
    })
    const flush = (): void => {
      if (ended) return
      stream.send('messages', { messages: pending, hidden })
      pending = []
      shown = 0
      hidden = 0
    }
    const timer = setInterval(flush, 1_000)
    timer.unref()
    return reply
  })

  app.get('/-/mqtt/system', async () => {
    if (!mqtt) throw notConfigured('mqtt')
    const topics: Record<string, string> = {}
    const end = await mqtt.subscribe('$SYS/#', ({ topic, payload }) => {
      if (Object.keys(topics).length < 500) topics[topic] = Buffer.from(payload).toString()
    })
    // The retained values come at once; a broker without $SYS sends none.
    await new Promise<void>((resolve) => {
      setTimeout(resolve, systemTopicsMs)
    })
    await end().catch(() => {})
    return { topics }
  })
}

function describeMessage({ topic, payload, qos, retain }: MqttMessage): object {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
  return {
    atMs: Date.now(),
    topic,
    qos,
    retain,
    bytes: bytes.length,
    text: bytes.subarray(0, payloadTextMax).toString(),
  }
}
