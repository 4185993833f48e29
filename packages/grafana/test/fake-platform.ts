import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { CommandNow } from '../src/model/commands.ts'
import type { DeviceNow } from '../src/model/devices.ts'
import type { PlatformPart, PlatformSnapshot, VitalItem } from '../src/model/platform.ts'

/** How the fake pipeline behaves; changed while it runs to see the console follow. */
export interface FakePipeline {
  framesPerSecond: number
  /** Records that the MongoDB sink takes per second; below the rate it falls behind. */
  storedPerSecond: number
  deadLetters: number
  failedPart: string | undefined
  windowMs: number
}

/** The platform's status API with made-up figures that move as a real pipeline's would. */
export interface FakePlatform extends AsyncDisposable {
  readonly url: string
  readonly pipeline: FakePipeline
  snapshot(): PlatformSnapshot
  /** Lets time pass at once and tells all listeners. */
  advance(elapsedMs: number): void
}

export async function startFakePlatform(
  options: Partial<FakePipeline> & { tickMs?: number; port?: number } = {},
): Promise<FakePlatform> {
  const pipeline: FakePipeline = {
    framesPerSecond: 3,
    storedPerSecond: Number.POSITIVE_INFINITY,
    deadLetters: 0,
    failedPart: undefined,
    windowMs: 30_000,
    ...options,
  }
  let uptimeMs = 60_000
  let frames = 180
  let stored = 180
  const listeners = new Set<ServerResponse>()
  const snapshot = (): PlatformSnapshot =>
    describe({ pipeline, uptimeMs, frames: Math.floor(frames), stored: Math.floor(stored) })
  const advance = (elapsedMs: number): void => {
    uptimeMs += elapsedMs
    frames += (pipeline.framesPerSecond * elapsedMs) / 1000
    stored = Math.min(frames, stored + (pipeline.storedPerSecond * elapsedMs) / 1000)
    const text = `data: ${JSON.stringify(snapshot())}\n\n`
    for (const listener of listeners) listener.write(text)
  }
  const server = createServer((request, response) => {
    if (request.url === '/-/parts') {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(snapshot()))
    } else if (request.url === '/-/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(`data: ${JSON.stringify(snapshot())}\n\n`)
      listeners.add(response)
      response.once('close', () => listeners.delete(response))
    } else if (request.url === '/-/devices') {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(devices))
    } else if (request.url?.startsWith('/-/commands')) {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ commands }))
    } else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve))
  const tickMs = options.tickMs ?? 1_000
  const timer = tickMs > 0 ? setInterval(() => advance(tickMs), tickMs) : undefined
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    pipeline,
    snapshot,
    advance,
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer)
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

const devices: readonly DeviceNow[] = [
  {
    name: 'greenhouse-1',
    id: 'greenhouse-1',
    place: '32347983',
    kind: 'ESP32',
    rate: 1,
    state: 'live',
    isConnected: true,
    lastSeenMs: Date.now(),
  },
  { name: 'roof', id: '777', place: 'เรือนเพาะชำ 1', state: 'waiting', isConnected: false },
  {
    name: 'shed',
    id: 'shed',
    place: '32347983',
    state: 'rejected',
    isConnected: false,
    reason: 'wrong secret',
  },
]

const given = {
  device: 'fan-32347983',
  action: 'fan',
  params: { seconds: 45 },
  timestamp: Date.now() - 20_000,
  expires: Date.now() + 40_000,
  by: 'rule: hot place',
}

const commands: readonly CommandNow[] = [
  { ...given, id: '1', state: 'sent' },
  { ...given, id: '2', state: 'acknowledged', acknowledged: Date.now() - 19_000, ok: true },
  {
    ...given,
    ...{ id: '3', state: 'acknowledged', acknowledged: Date.now() - 19_000, ok: false },
    error: 'a fan knows fan, not dance',
  },
  { ...given, id: '4', device: 'เรือนเพาะชำ', state: 'expired', by: 'eve' },
]

const mib = 1_048_576

function describe(at: {
  pipeline: FakePipeline
  uptimeMs: number
  frames: number
  stored: number
}): PlatformSnapshot {
  const { pipeline, frames, stored, uptimeMs } = at
  const good = frames - pipeline.deadLetters
  const windows = Math.floor(uptimeMs / pipeline.windowMs)
  const item = (
    kind: VitalItem['kind'],
    name: string,
    recordsIn: number,
    recordsOut: number,
    rest: Partial<VitalItem> = {},
  ): VitalItem => ({ kind, name, state: 'running', recordsIn, recordsOut, ...rest })
  const part = (
    name: string,
    port: number,
    recordsIn: number,
    recordsOut: number,
    facts: Record<string, number | string>,
    items: VitalItem[],
    rest: Partial<PlatformPart> = {},
  ): PlatformPart => ({
    name,
    status: pipeline.failedPart === name ? 'failed' : 'ready',
    address: `127.0.0.1:${port}`,
    addresses: { main: `127.0.0.1:${port}` },
    thread: 'main',
    restarts: 0,
    ...(pipeline.failedPart === name ? { error: 'the disk is full' } : {}),
    vitals: { recordsIn, recordsOut, facts, items },
    ...rest,
  })
  return {
    name: 'iot',
    uptimeMs,
    memory: { anonymousBytes: 187 * mib, rssBytes: 243 * mib },
    cpuPercent: 9,
    window: { sizeMs: pipeline.windowMs },
    parts: [
      part('zookeeper', 2181, 412, 412, { clients: 1, znodes: 48 }, []),
      part('kafka', 9092, good * 2, good * 3, { topics: 5, partitions: 26 }, [
        item('topic', 'iot-frames', good, good * 3),
        item('topic', 'iot-aggregate-metrics-sensor', windows * 3, windows * 3),
        item('topic', 'iot-aggregate-metrics-place', windows * 2, windows * 2),
        item('topic', 'iot-metrics-time-series', good, good),
        item('topic', 'iot-frames-dead-letters', pipeline.deadLetters, 0),
      ]),
      part('mqtt', 1883, frames, frames, { clients: 4, queued: 0, retained: 1 }, []),
      part(
        'mongodb',
        27017,
        stored + windows * 5,
        0,
        { documents: stored + windows * 5, connections: 3 },
        [
          item('collection', 'iot_frames', stored, 0),
          item('collection', 'iot_aggregate_metrics_sensor', windows * 3, 0),
          item('collection', 'iot_aggregate_metrics_place', windows * 2, 0),
        ],
      ),
      part('connect', 8083, frames + good * 2, good * 2 + stored, { connectors: 5, tasks: 5 }, [
        item('connector', 'mqtt-source', frames, good, {
          from: ['iot-frames'],
          to: ['iot-frames'],
          deadLetters: pipeline.deadLetters,
          ...(pipeline.deadLetters > 0 ? { note: 'payload is not JSON' } : {}),
        }),
        item('connector', 'iot-frames-mongodb-sink', stored, stored, {
          from: ['iot-frames'],
          to: ['iot_frames'],
          lag: Math.max(0, good - stored),
        }),
        item('connector', 'iot-aggregate-metrics-sensor-mongodb-sink', windows * 3, windows * 3, {
          from: ['iot-aggregate-metrics-sensor'],
          to: ['iot_aggregate_metrics_sensor'],
          lag: 0,
        }),
        item('connector', 'iot-aggregate-metrics-place-mongodb-sink', windows * 2, windows * 2, {
          from: ['iot-aggregate-metrics-place'],
          to: ['iot_aggregate_metrics_place'],
          lag: 0,
        }),
        item('connector', 'prometheus-connector-sink', good, good, {
          from: ['iot-metrics-time-series'],
          to: ['sample_sensor_metric'],
          lag: 0,
        }),
      ]),
      part('streams', 0, good, good + windows * 5, { threads: 3, windows: 5 }, [
        item('application', 'iot-aggregate-metrics-sensor', good, windows * 3, {
          from: ['iot-frames'],
          to: ['iot-aggregate-metrics-sensor'],
          lag: 0,
        }),
        item('application', 'iot-aggregate-metrics-place', good, windows * 2, {
          from: ['iot-frames'],
          to: ['iot-aggregate-metrics-place'],
          lag: 0,
        }),
        item('application', 'iot-metrics-time-series', good, good, {
          from: ['iot-frames'],
          to: ['iot-metrics-time-series'],
          lag: 0,
        }),
      ]),
      part('prometheus', 9090, good * 4, 0, { series: 812, targets: 8 }, [
        item('job', 'iot-metrics-time-series', good * 4, 0),
        item('job', 'khlong', windows * 40, 0),
      ]),
      part('grafana', 3000, 0, 0, { viewers: 1, dashboards: 2 }, []),
      part('sensors', 0, 0, frames, { sensors: 3, silent: 0 }, [
        item('sensor', 'iot_sensor_1', 0, Math.ceil(frames / 3)),
        item('sensor', 'iot_sensor_2', 0, Math.ceil(frames / 3)),
        item('sensor', 'iot_sensor_3', 0, Math.floor(frames / 3)),
      ]),
    ],
  }
}
