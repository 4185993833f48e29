import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { httpErrors, PrometheusError } from '../../errors.ts'
import { anchored, type Matcher } from '../../labels.ts'
import type { Alertmanager } from '../alertmanager.ts'
import { type Alert, compareAlerts, compareLabels, isResolved } from '../state/alert.ts'
import { matchesAll, parseMatcher } from '../state/matchers.ts'
import { type Silence, Silences } from '../state/silences.ts'
import {
  alertOf,
  alertProblem,
  BodyError,
  checkSilenceId,
  readAlerts,
  readSilence,
} from './requests.ts'

export interface AlertmanagerApiContext {
  alertmanager: Alertmanager
  startedAtMs: number
  nowMs(): number
  version: string
  /** Counts alerts as they come. */
  received(status: 'firing' | 'resolved' | 'invalid'): void
}

/** Alertmanager's HTTP API, version 2. */
export function addAlertmanagerApi(server: FastifyInstance, context: AlertmanagerApiContext): void {
  const { alertmanager, nowMs } = context
  server.setErrorHandler((error, _request, reply) => sendError(reply, error))
  server.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0]
    return reply.code(404).send({ code: 404, message: `path ${path} was not found` })
  })

  server.get('/api/v2/status', async () => ({
    cluster: { peers: [], status: 'disabled' },
    config: { original: alertmanager.config.yaml },
    uptime: new Date(context.startedAtMs).toISOString(),
    versionInfo: {
      branch: '',
      buildDate: '',
      buildUser: '',
      goVersion: '',
      revision: '',
      version: context.version,
    },
  }))
  server.get('/api/v2/receivers', async () =>
    [...alertmanager.config.receivers.keys()].map((name) => ({ name })),
  )

  server.post('/api/v2/alerts', async (request, reply) => {
    const now = nowMs()
    const problems: string[] = []
    const alerts = readAlerts(request.body).flatMap((given) => {
      const alert = alertOf(given, now, alertmanager.config.global.resolve_timeout)
      context.received(alert.endsAtMs > now ? 'firing' : 'resolved')
      const problem = alertProblem(alert)
      if (problem === undefined) return [alert]
      context.received('invalid')
      problems.push(problem)
      return []
    })
    // The good ones count, whatever is wrong with others.
    await alertmanager.put(alerts)
    if (problems.length > 0) return sendText(reply, 400, problems.join('; '))
    return reply.code(200).send()
  })
  server.get('/api/v2/alerts', async (request) => {
    const wanted = alertFilter(context, request)
    return alertmanager
      .alerts()
      .filter((alert) => !isResolved(alert, nowMs()) && wanted(alert))
      .filter((alert) => receiversOf(alertmanager, alert).some(receiverFilter(request)))
      .sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1))
      .map((alert) => alertAnswer(alertmanager, alert))
  })
  server.get('/api/v2/alerts/groups', async (request) => {
    const wanted = alertFilter(context, request)
    const isReceiver = receiverFilter(request)
    return alertmanager.dispatcher
      .groups()
      .filter(({ route }) => isReceiver(route.receiver))
      .map((group) => ({
        alerts: [...group.alerts.values()]
          .filter((alert) => !isResolved(alert, nowMs()) && wanted(alert))
          .sort(compareAlerts)
          .map((alert) => alertAnswer(alertmanager, alert)),
        labels: group.labels,
        receiver: { name: group.route.receiver },
      }))
      .filter(({ alerts }) => alerts.length > 0)
      .sort(
        (a, b) => compareLabels(a.labels, b.labels) || (a.receiver.name < b.receiver.name ? -1 : 1),
      )
  })

  server.get('/api/v2/silences', async (request) => {
    const matchers = matchersOf(request)
    return alertmanager.silences
      .all()
      .filter((silence) =>
        // A filter asks for silences that have just such a matcher.
        matchers.every((wanted) =>
          silence.matchers.some(({ name, value }) => name === wanted.name && wanted.matches(value)),
        ),
      )
      .sort((a, b) => compareSilences(a, b, nowMs()))
      .map((silence) => silenceAnswer(silence, nowMs()))
  })
  server.post('/api/v2/silences', async (request, reply) => {
    const silence = readSilence(request.body)
    if (silence.endsAtMs <= silence.startsAtMs)
      return sendText(reply, 400, 'Failed to create silence: start time must be before end time')
    if (silence.endsAtMs < nowMs())
      return sendText(reply, 400, "Failed to create silence: end time can't be in the past")
    return { silenceID: await alertmanager.setSilence(silence) }
  })
  server.get('/api/v2/silence/:id', async (request, reply) => {
    const { id } = request.params as { id: string }
    checkSilenceId(id)
    const silence = alertmanager.silences.get(id)
    return silence ? silenceAnswer(silence, nowMs()) : reply.code(404).send()
  })
  server.delete('/api/v2/silence/:id', async (request, reply) => {
    const { id } = request.params as { id: string }
    checkSilenceId(id)
    await alertmanager.expireSilence(id)
    return reply.code(200).send()
  })
}

/** Alertmanager answers most errors with a JSON text, and those of its description's check with an object. */
function sendError(reply: FastifyReply, error: unknown): FastifyReply {
  if (error instanceof BodyError)
    return reply.code(error.status).send({ code: error.code, message: error.message })
  if (error instanceof PrometheusError)
    return sendText(reply, httpErrors[error.code].status, error.message)
  const { statusCode = 500, message } = error as Error & { statusCode?: number }
  return reply.code(statusCode).send({ code: statusCode, message })
}

function sendText(reply: FastifyReply, status: number, message: string): FastifyReply {
  return reply.code(status).type('application/json').send(JSON.stringify(message))
}

function parameters(request: FastifyRequest): URLSearchParams {
  return new URLSearchParams(request.url.split('?')[1] ?? '')
}

function matchersOf(request: FastifyRequest): Matcher[] {
  try {
    return parameters(request).getAll('filter').map(parseMatcher)
  } catch (error) {
    throw badRequest((error as Error).message)
  }
}

function receiverFilter(request: FastifyRequest): (receiver: string) => boolean {
  const pattern = parameters(request).get('receiver')
  if (pattern === null || pattern === '') return () => true
  try {
    const expression = anchored(pattern)
    return (receiver) => expression.test(receiver)
  } catch (error) {
    throw badRequest(`failed to parse receiver param: ${(error as Error).message}`)
  }
}

function badRequest(message: string): PrometheusError {
  return new PrometheusError('ALERTMANAGER_BAD_REQUEST', message)
}

function alertFilter(
  { alertmanager }: AlertmanagerApiContext,
  request: FastifyRequest,
): (alert: Alert) => boolean {
  const given = parameters(request)
  const shows = (name: string): boolean => given.get(name) !== 'false'
  const matchers = matchersOf(request)
  return ({ labels }) => {
    if (!matchesAll(matchers, labels)) return false
    const { silencedBy, inhibitedBy } = alertmanager.mutingOf(labels)
    if (silencedBy.length > 0 && !shows('silenced')) return false
    if (inhibitedBy.length > 0 && !shows('inhibited')) return false
    return silencedBy.length + inhibitedBy.length > 0 || shows('active')
  }
}

function receiversOf(alertmanager: Alertmanager, { labels }: Alert): string[] {
  return [...new Set(alertmanager.config.route.match(labels).map(({ receiver }) => receiver))]
}

function alertAnswer(alertmanager: Alertmanager, alert: Alert): unknown {
  const { silencedBy, inhibitedBy } = alertmanager.mutingOf(alert.labels)
  return {
    annotations: alert.annotations,
    endsAt: new Date(alert.endsAtMs).toISOString(),
    fingerprint: alert.fingerprint,
    receivers: receiversOf(alertmanager, alert).map((name) => ({ name })),
    startsAt: new Date(alert.startsAtMs).toISOString(),
    status: {
      inhibitedBy,
      silencedBy,
      state: silencedBy.length + inhibitedBy.length > 0 ? 'suppressed' : 'active',
    },
    updatedAt: new Date(alert.updatedAtMs).toISOString(),
    ...(alert.generatorUrl === '' ? {} : { generatorURL: alert.generatorUrl }),
    labels: alert.labels,
  }
}

function silenceAnswer(silence: Silence, nowMs: number): unknown {
  return {
    id: silence.id,
    status: { state: Silences.stateOf(silence, nowMs) },
    updatedAt: new Date(silence.updatedAtMs).toISOString(),
    comment: silence.comment,
    createdBy: silence.createdBy,
    endsAt: new Date(silence.endsAtMs).toISOString(),
    matchers: silence.matchers.map(({ name, value, isRegex, isEqual }) => ({
      isEqual,
      isRegex,
      name,
      value,
    })),
    startsAt: new Date(silence.startsAtMs).toISOString(),
  }
}

const silenceOrder = ['active', 'pending', 'expired']

function compareSilences(a: Silence, b: Silence, nowMs: number): number {
  const [first, second] = [Silences.stateOf(a, nowMs), Silences.stateOf(b, nowMs)]
  if (first !== second) return silenceOrder.indexOf(first) - silenceOrder.indexOf(second)
  if (first === 'active') return a.endsAtMs - b.endsAtMs
  return first === 'pending' ? a.startsAtMs - b.startsAtMs : b.endsAtMs - a.endsAtMs
}
