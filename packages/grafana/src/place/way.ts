import type { FastifyInstance } from 'fastify'
import type { MongoLink } from '../query/mongodb.ts'
import { bearer } from '../server/proxy.ts'
import type { DataSourceStore } from '../state/data-source-store.ts'

/** How far a sensor's frames have come; each stage tells when it first showed them, or null. */
interface Way {
  document: { atMs: number; count: number } | null
  metric: { value: number; atMs: number } | null
  sensorAggregate: { endMs: number; count: number } | null
  placeAggregate: { endMs: number; count: number } | null
  unavailable: string[]
}

/**
 * `GET /-/sensors/:id/way?since=MS&place=ID`: looks the sensor up where its frames end, in
 * documents, metrics and aggregates, so that a page can show a new one arriving.
 */
export function wayRoutes(
  app: FastifyInstance,
  links: { mongodb: MongoLink | undefined; sources: DataSourceStore },
): void {
  app.get<{ Params: { id: string }; Querystring: { since?: string; place?: string } }>(
    '/-/sensors/:id/way',
    async (request) => {
      const { id } = request.params
      const sinceMs = Number(request.query.since) || 0
      const unavailable: string[] = []
      const guard = async <Value>(part: string, ask: () => Promise<Value>): Promise<Value | null> =>
        ask().catch(() => {
          unavailable.push(part)
          return null
        })
      const [documents, metric] = await Promise.all([
        guard('mongodb', () => inDocuments(links.mongodb, id, sinceMs, request.query.place)),
        guard('prometheus', () => inMetrics(links.sources, id)),
      ])
      const way: Way = {
        document: documents?.document ?? null,
        sensorAggregate: documents?.sensorAggregate ?? null,
        placeAggregate: documents?.placeAggregate ?? null,
        metric: metric && metric.atMs >= sinceMs ? metric : null,
        unavailable,
      }
      return way
    },
  )
}

async function inDocuments(
  link: MongoLink | undefined,
  id: string,
  sinceMs: number,
  place: string | undefined,
): Promise<Pick<Way, 'document' | 'sensorAggregate' | 'placeAggregate'>> {
  if (!link) return { document: null, sensorAggregate: null, placeAggregate: null }
  const database = (await link.client()).db(link.database)
  const ids: unknown[] = Number.isSafeInteger(Number(id)) ? [id, Number(id)] : [id]
  const options = { maxTimeMS: 2_000 }
  const aggregate = async (
    collection: string,
    key: string,
    values: unknown[],
  ): Promise<Way['sensorAggregate']> => {
    const found = await database
      .collection(collection)
      .find({ [key]: { $in: values }, end_agg: { $gt: sinceMs } }, options)
      .sort({ end_agg: -1 })
      .limit(1)
      .toArray()
    const last = found[0]
    return last ? { endMs: Number(last.end_agg), count: Number(last.count_measures) } : null
  }
  const frames = database.collection('iot_frames')
  const wanted = { id: { $in: ids }, timestamp: { $gte: sinceMs } }
  const [frame, count, sensorAggregate, placeAggregate] = await Promise.all([
    frames.findOne(wanted, options),
    frames.countDocuments(wanted, { ...options, limit: 1_000 }),
    aggregate('iot_aggregate_metrics_sensor', 'sensor_id', ids),
    place === undefined ? null : aggregate('iot_aggregate_metrics_place', 'place_id', [place]),
  ])
  return {
    document: frame ? { atMs: Number(frame.timestamp), count } : null,
    sensorAggregate,
    placeAggregate,
  }
}

async function inMetrics(sources: DataSourceStore, id: string): Promise<Way['metric']> {
  const source = sources.find({ type: 'prometheus' })
  if (!source) return null
  const label = JSON.stringify(id)
  const query = `{__name__=~"sample_sensor_metric_.+",sensor_id=${label}}`
  const response = await fetch(
    `${source.url.replace(/\/$/, '')}/api/v1/query?${new URLSearchParams({ query })}`,
    { signal: AbortSignal.timeout(2_000), headers: bearer(sources.tokenOf(source)) },
  )
  const answer = (await response.json()) as { data?: { result?: { value: [number, string] }[] } }
  const sample = answer.data?.result?.[0]?.value
  return sample ? { value: Number(sample[1]), atMs: sample[0] * 1000 } : null
}
