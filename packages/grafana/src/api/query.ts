import { describeError } from '@khlong/core'
import type { FastifyInstance } from 'fastify'
import { GrafanaError, notConfigured } from '../errors.ts'
import { parseTime } from '../model/time-range.ts'
import type { Frame, QueryResult } from '../query/frames.ts'
import { framesOfDocuments, type MongoLink } from '../query/mongodb.ts'
import { queryPrometheus } from '../query/prometheus.ts'
import { type DataSourceStore, mongodbType, prometheusType } from '../state/data-source-store.ts'

/** One query of `/api/ds/query`: the target of a panel and how fine its answer shall be. */
interface QueryRequest {
  refId?: string
  datasource?: unknown
  datasourceId?: number
  hide?: boolean
  expr?: string
  range?: boolean
  instant?: boolean
  format?: string
  legendFormat?: string
  interval?: string
  intervalMs?: number
  maxDataPoints?: number
  /** The text of a MongoDB query. */
  query?: string
  rawQuery?: string
  database?: string
}

const pointsMax = 11_000
const queriesMax = 50

/** `POST /api/ds/query`: each query is answered for itself, an error of one fails no other. */
export function queryRoutes(
  app: FastifyInstance,
  sources: DataSourceStore,
  mongodb: MongoLink | undefined,
): void {
  app.post<{ Body: { queries?: QueryRequest[]; from?: string; to?: string } | null }>(
    '/api/ds/query',
    { config: { isRead: true } },
    async (request, reply) => {
      const { queries = [], from = 'now-1h', to = 'now' } = request.body ?? {}
      if (!Array.isArray(queries) || queries.length === 0)
        throw new GrafanaError('GRAFANA_BAD_REQUEST', 'No queries found')
      if (queries.length > queriesMax)
        throw new GrafanaError('GRAFANA_BAD_REQUEST', `more than ${queriesMax} queries at once`)
      const nowMs = Date.now()
      const fromMs = readTime(from, nowMs, false)
      const toMs = readTime(to, nowMs, true)
      if (fromMs >= toMs)
        throw new GrafanaError('GRAFANA_BAD_REQUEST', 'the time range ends before it starts')
      const results: Record<string, QueryResult> = {}
      let statusCode = 200
      await Promise.all(
        queries.map(async (query, index) => {
          const refId = query.refId ?? String.fromCharCode(65 + index)
          try {
            results[refId] = { status: 200, frames: await run(query, refId, fromMs, toMs) }
          } catch (error) {
            const status = error instanceof GrafanaError ? error.statusCode : 500
            // Grafana answers 400 where a query failed, whatever its reason; the result has it.
            statusCode = 400
            results[refId] = {
              status: status === 502 ? 400 : status,
              frames: [],
              error: describeError(error),
              errorSource: 'downstream',
            }
          }
        }),
      )
      return reply.code(statusCode).send({ results })
    },
  )

  async function run(
    query: QueryRequest,
    refId: string,
    fromMs: number,
    toMs: number,
  ): Promise<Frame[]> {
    const source =
      query.datasource === undefined && query.datasourceId !== undefined
        ? sources.byId(query.datasourceId)
        : sources.find(query.datasource)
    if (!source) throw new GrafanaError('GRAFANA_NOT_FOUND', 'Data source not found')
    if (source.type === mongodbType) {
      if (!mongodb) throw notConfigured('mongodb')
      const text = (query.query ?? query.rawQuery ?? '')
        .replaceAll(/\$__timeFrom(?:\(\))?/g, `new Date(${fromMs})`)
        .replaceAll(/\$__timeTo(?:\(\))?/g, `new Date(${toMs})`)
        .replaceAll(/\$\{__from\}|\$__from\b/g, String(fromMs))
        .replaceAll(/\$\{__to\}|\$__to\b/g, String(toMs))
      return framesOfDocuments(refId, await mongodb.run(text, query.database))
    }
    if (source.type !== prometheusType)
      throw new GrafanaError(
        'GRAFANA_BAD_REQUEST',
        `queries of ${source.type} are not supported yet`,
      )
    const instant = query.instant === true
    const points = Math.max(1, Math.min(pointsMax, query.maxDataPoints ?? 1000))
    const stepMs = Math.max(
      query.intervalMs ?? 0,
      Math.ceil((toMs - fromMs) / points / 1000) * 1000,
      1000,
    )
    return queryPrometheus(
      source.url,
      {
        refId,
        expr: query.expr ?? '',
        range: query.range ?? !instant,
        instant,
        format: query.format ?? 'time_series',
        legendFormat: query.legendFormat ?? '',
        fromMs,
        toMs,
        stepMs,
      },
      sources.tokenOf(source),
    )
  }
}

function readTime(text: unknown, nowMs: number, roundUp: boolean): number {
  const time = parseTime(String(text), nowMs, { roundUp, timeZone: 'utc' })
  if (time === undefined)
    throw new GrafanaError('GRAFANA_BAD_REQUEST', `${String(text)} is not a time`)
  return time
}
