import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { formatDuration } from '../duration.ts'
import { httpErrors, PrometheusError } from '../errors.ts'
import type { Labels, Matcher } from '../labels.ts'
import { formatNumber } from '../promql/aggregation.ts'
import type { Engine, InstantResult } from '../promql/engine.ts'
import { parseSelector } from '../promql/parser.ts'
import type { Rule } from '../rules/rule-group.ts'
import type { RuleManager } from '../rules/rule-manager.ts'
import type { ScrapeManager } from '../scrape/scrape-manager.ts'
import type { Tsdb } from '../storage/tsdb.ts'
import { badParameter, Parameters } from './parameters.ts'

export interface ApiContext {
  tsdb: Tsdb
  engine: Engine
  scrapes: ScrapeManager
  rules: RuleManager
  /** Where alerts are sent to. */
  alertmanagers(): readonly string[]
  /** The configuration file's text. */
  configText(): string
  flags: Readonly<Record<string, string>>
  startedAtMs: number
  nowMs(): number
  version: string
}

type Answer = (parameters: Parameters, request: FastifyRequest) => unknown

/** Prometheus's HTTP API v1, with its envelope and error types. */
export function addApi(server: FastifyInstance, context: ApiContext): void {
  server.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    (_request, body, done) => done(null, new URLSearchParams(body as string)),
  )
  const route = (path: string, answer: Answer): void => {
    server.route({
      method: ['GET', 'POST'],
      url: `/api/v1/${path}`,
      handler: (request, reply) => respond(request, reply, answer),
    })
  }
  const { engine, tsdb } = context

  route('query', async (parameters) => {
    const result = await engine.instant(
      parameters.required('query'),
      parameters.timeMs('time', context.nowMs()),
    )
    return instantAnswer(result, parameters.timeMs('time', context.nowMs()))
  })

  route('query_range', async (parameters) => {
    const query = parameters.required('query')
    const startMs = parameters.timeMs('start', Number.NaN)
    const endMs = parameters.timeMs('end', Number.NaN)
    const stepMs = parameters.durationMs('step')
    if (Number.isNaN(startMs)) throw badParameter('start', 'is missing')
    if (Number.isNaN(endMs)) throw badParameter('end', 'is missing')
    if (endMs < startMs) throw badParameter('end', 'end timestamp must not be before start time')
    if (stepMs <= 0)
      throw badParameter(
        'step',
        'zero or negative query resolution step widths are not accepted. Try a positive integer',
      )
    const series = await engine.range(query, startMs, endMs, stepMs)
    return { resultType: 'matrix', result: series.map(seriesAnswer) }
  })

  const selected = (parameters: Parameters, selectors: readonly string[]): Labels[] => {
    const startMs = parameters.timeMs('start', Number.NEGATIVE_INFINITY)
    const endMs = parameters.timeMs('end', Number.POSITIVE_INFINITY)
    if (selectors.length === 0) return tsdb.labels([], startMs, endMs)
    const found = new Map<string, Labels>()
    for (const selector of selectors)
      for (const labels of tsdb.labels(parseSelector(selector) as Matcher[], startMs, endMs))
        found.set(labels.key, labels)
    return [...found.values()]
  }

  route('series', (parameters) => {
    const selectors = parameters.all('match[]')
    if (selectors.length === 0) throw badParameter('match[]', 'no match[] parameter provided')
    return selected(parameters, selectors)
      .slice(0, parameters.limit())
      .map((labels) => labels.toRecord())
  })
  route('labels', (parameters) => {
    const names = new Set<string>()
    for (const { pairs } of selected(parameters, parameters.all('match[]')))
      for (let index = 0; index < pairs.length; index += 2) names.add(pairs[index]!)
    return [...names].toSorted().slice(0, parameters.limit())
  })
  route('label/:name/values', (parameters, request) => {
    const { name } = request.params as { name: string }
    const values = new Set(
      selected(parameters, parameters.all('match[]')).map((labels) => labels.get(name)),
    )
    values.delete('')
    return [...values].toSorted().slice(0, parameters.limit())
  })

  route('targets', (parameters) => targetsAnswer(context, parameters.text('state')))
  route('metadata', (parameters) => metadataAnswer(context, parameters.text('metric')))
  route('rules', (parameters) => rulesAnswer(context, parameters.text('type')))
  route('alerts', () => ({
    alerts: context.rules.groups.flatMap((group) => group.rules.flatMap(alertsAnswer)),
  }))
  route('alertmanagers', () => ({
    activeAlertmanagers: context.alertmanagers().map((url) => ({ url })),
    droppedAlertmanagers: [],
  }))
  route('query_exemplars', () => [])
  route('status/buildinfo', () => ({
    version: context.version,
    revision: '',
    branch: '',
    buildUser: '',
    buildDate: '',
    goVersion: '',
    features: {},
  }))
  route('status/config', () => ({ yaml: context.configText() }))
  route('status/flags', () => context.flags)
  route('status/runtimeinfo', () => ({
    startTime: new Date(context.startedAtMs).toISOString(),
    CWD: '',
    reloadConfigSuccess: true,
    lastConfigTime: new Date(context.startedAtMs).toISOString(),
    corruptionCount: 0,
    goroutineCount: 0,
    GOMAXPROCS: 1,
    storageRetention: context.flags['storage.tsdb.retention.time'],
  }))
  route('status/tsdb', () => ({
    headStats: {
      numSeries: tsdb.head.seriesCount,
      numLabelPairs: 0,
      chunkCount: tsdb.head.chunkCount,
      minTime: tsdb.head.minMs,
      maxTime: tsdb.head.maxMs,
    },
  }))
}

async function respond(
  request: FastifyRequest,
  reply: FastifyReply,
  answer: Answer,
): Promise<FastifyReply> {
  const values = new URLSearchParams(request.url.split('?')[1] ?? '')
  if (request.body instanceof URLSearchParams)
    for (const [name, value] of request.body) values.append(name, value)
  try {
    const data = await answer(new Parameters(values), request)
    return reply.send({ status: 'success', data })
  } catch (error) {
    const { status, type } =
      error instanceof PrometheusError ? httpErrors[error.code] : { status: 500, type: 'internal' }
    return reply
      .code(status)
      .send({ status: 'error', errorType: type, error: (error as Error).message })
  }
}

function instantAnswer(result: InstantResult, timeMs: number): unknown {
  const point = (value: number): [number, string] => [timeMs / 1_000, formatNumber(value)]
  switch (result.type) {
    case 'scalar':
      return { resultType: 'scalar', result: point(result.value) }
    case 'string':
      return { resultType: 'string', result: [timeMs / 1_000, result.value] }
    case 'vector':
      return {
        resultType: 'vector',
        result: result.samples.map(({ labels, value }) => ({
          metric: labels.toRecord(),
          value: point(value),
        })),
      }
    case 'matrix':
      return { resultType: 'matrix', result: result.series.map(seriesAnswer) }
  }
}

function seriesAnswer({
  labels,
  points,
}: {
  labels: Labels
  points: readonly (readonly [number, number])[]
}): unknown {
  return {
    metric: labels.toRecord(),
    values: points.map(([timeMs, value]) => [timeMs / 1_000, formatNumber(value)]),
  }
}

function targetsAnswer({ scrapes }: ApiContext, state: string | undefined): unknown {
  const active = scrapes.active().map(({ job, target }) => ({
    discoveredLabels: target.discovered,
    labels: target.labels.toRecord(),
    scrapePool: job,
    scrapeUrl: target.url,
    globalUrl: target.url,
    lastError: target.health.lastError,
    lastScrape: new Date(target.health.lastScrapeMs).toISOString(),
    lastScrapeDuration: target.health.lastDurationMs / 1_000,
    health: target.health.health,
    scrapeInterval: formatDuration(target.intervalMs),
    scrapeTimeout: formatDuration(target.timeoutMs),
  }))
  const dropped = scrapes.dropped().map((discoveredLabels) => ({ discoveredLabels }))
  return {
    activeTargets: state === 'dropped' ? [] : active,
    droppedTargets: state === 'active' ? [] : dropped,
    droppedTargetCounts: {},
  }
}

function metadataAnswer({ scrapes }: ApiContext, metric: string | undefined): unknown {
  const found: Record<string, unknown[]> = {}
  for (const { target } of scrapes.active())
    for (const [name, entry] of target.metadata) {
      if (metric !== undefined && metric !== name) continue
      found[name] ??= []
      if (found[name].length === 0) found[name].push(entry)
    }
  return found
}

function rulesAnswer({ rules }: ApiContext, type: string | undefined): unknown {
  const wanted = (rule: Rule): boolean =>
    type === undefined || (type === 'alert') === (rule.config.alert !== undefined)
  return {
    groups: rules.groups.map((group) => ({
      name: group.config.name,
      file: group.config.file,
      interval: group.intervalMs / 1_000,
      limit: group.config.limit,
      evaluationTime: group.evaluationSeconds,
      lastEvaluation: new Date(group.lastEvaluationMs).toISOString(),
      rules: group.rules.filter(wanted).map(ruleAnswer),
    })),
  }
}

function ruleAnswer(rule: Rule): unknown {
  const { config } = rule
  const shared = {
    query: config.expr.trim(),
    labels: rule.labels,
    health: rule.health,
    ...(rule.lastError === '' ? {} : { lastError: rule.lastError }),
    evaluationTime: rule.evaluationSeconds,
    lastEvaluation: new Date(rule.lastEvaluationMs).toISOString(),
  }
  if (config.record !== undefined) return { name: config.record, ...shared, type: 'recording' }
  return {
    state: rule.state,
    name: config.alert,
    ...shared,
    duration: config.for / 1_000,
    keepFiringFor: config.keep_firing_for / 1_000,
    annotations: config.annotations,
    alerts: alertsAnswer(rule),
    type: 'alerting',
  }
}

function alertsAnswer(rule: Rule): unknown[] {
  return rule.activeAlerts.map((alert) => ({
    labels: alert.labels.toRecord(),
    annotations: alert.annotations,
    state: alert.state,
    activeAt: new Date(alert.activeAtMs).toISOString(),
    value: formatNumber(alert.value),
  }))
}
