import { findConnector, requireConnector } from '../connectors/index.ts'
import { simpleHeaderConverterName } from '../converters/headers.ts'
import { converterPlugins } from '../converters/index.ts'
import { ConnectError } from '../errors.ts'
import type { Herder } from '../runtime/herder.ts'
import { type LogLevels, levelOf } from '../runtime/log-levels.ts'
import { definitionsOf } from '../runtime/validation.ts'
import type { StatusStore } from '../storage/status-store.ts'
import { transformPlugins } from '../transforms/chain.ts'
import { predicatePlugins } from '../transforms/predicates.ts'
import { checkName, readConfig, readCreation, readPatch } from './bodies.ts'
import type { Offsets } from './offsets.ts'

/** What the routes need. */
export interface RestContext {
  readonly herder: Herder
  readonly statuses: StatusStore
  readonly offsets: Offsets
  readonly workerId: string
  readonly levels: LogLevels
  readonly clusterId: string
  readonly version: string
}

export interface RestRequest {
  readonly params: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string | string[] | undefined>>
  readonly body: unknown
}

export interface RestAnswer {
  readonly status: number
  /** Undefined: no content. */
  readonly body?: unknown
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  /** The worker that answers it: its address, or undefined where it is this one. */
  at?(request: RestRequest, context: RestContext): Promise<string | undefined>
  handle(request: RestRequest, context: RestContext): RestAnswer | Promise<RestAnswer>
}

const ok = (body: unknown): RestAnswer => ({ status: 200, body })
const accepted: RestAnswer = { status: 202 }
const noContent: RestAnswer = { status: 204 }

const isTrue = (value: string | string[] | undefined): boolean => value === 'true'
const nameOf = (request: RestRequest): string => request.params.name ?? ''

function taskId(request: RestRequest): number {
  const id = Number(request.params.task)
  if (Number.isInteger(id)) return id
  throw new ConnectError('CONNECT_NOT_FOUND', 'HTTP 404 Not Found')
}

/** Whether a restart is for parts of the connector on any worker. */
const isRestartOfAll = ({ query }: RestRequest): boolean =>
  isTrue(query.includeTasks) || isTrue(query.onlyFailed)

const byLeader: NonNullable<Route['at']> = (_request, { herder }) => herder.leader()

/** Answered by the worker that runs the connector, or the task, as far as anybody does. */
const byWorker: NonNullable<Route['at']> = async (request, { herder, workerId }) => {
  const task = request.params.task === undefined ? undefined : taskId(request)
  const worker = herder.workerOf(nameOf(request), task)
  return worker === undefined || worker === workerId ? undefined : `http://${worker}/`
}

const connectorRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/connectors',
    handle({ query }, { herder }) {
      const expand = [query.expand ?? []].flat()
      if (expand.length === 0) return ok(herder.names())
      const all: Record<string, unknown> = {}
      for (const name of herder.names())
        try {
          all[name] = {
            ...(expand.includes('status') ? { status: herder.status(name) } : {}),
            ...(expand.includes('info') ? { info: herder.info(name) } : {}),
          }
        } catch (error) {
          // One that has no state yet, or no class here, is left out, as in Java.
          if (!(error instanceof ConnectError)) throw error
        }
      return ok(all)
    },
  },
  {
    method: 'POST',
    path: '/connectors',
    at: byLeader,
    async handle({ body }, { herder }) {
      const { name, config, target } = readCreation(body)
      checkName(name, config)
      return { status: 201, body: await herder.create(name, config, target) }
    },
  },
  {
    method: 'GET',
    path: '/connectors/:name',
    handle: (request, { herder }) => ok(herder.info(nameOf(request))),
  },
  {
    method: 'DELETE',
    path: '/connectors/:name',
    at: byLeader,
    async handle(request, { herder }) {
      await herder.delete(nameOf(request))
      return noContent
    },
  },
  {
    method: 'GET',
    path: '/connectors/:name/config',
    handle: (request, { herder }) => ok(herder.info(nameOf(request)).config),
  },
  {
    method: 'PUT',
    path: '/connectors/:name/config',
    at: byLeader,
    async handle(request, { herder }) {
      const config = readConfig(request.body)
      checkName(nameOf(request), config)
      const { info, isNew } = await herder.put(nameOf(request), config)
      return { status: isNew ? 201 : 200, body: info }
    },
  },
  {
    method: 'PATCH',
    path: '/connectors/:name/config',
    at: byLeader,
    handle: async (request, { herder }) =>
      ok(await herder.patch(nameOf(request), readPatch(request.body))),
  },
  {
    method: 'GET',
    path: '/connectors/:name/status',
    handle: (request, { herder }) => ok(herder.status(nameOf(request))),
  },
  {
    method: 'PUT',
    path: '/connectors/:name/pause',
    async handle(request, { herder }) {
      await herder.setTargetState(nameOf(request), 'PAUSED')
      return accepted
    },
  },
  {
    method: 'PUT',
    path: '/connectors/:name/resume',
    async handle(request, { herder }) {
      await herder.setTargetState(nameOf(request), 'STARTED')
      return accepted
    },
  },
  {
    method: 'PUT',
    path: '/connectors/:name/stop',
    async handle(request, { herder }) {
      await herder.setTargetState(nameOf(request), 'STOPPED')
      return noContent
    },
  },
  {
    // Not for clients: a worker asks the leader before a task of a source begins (KIP-618).
    method: 'PUT',
    path: '/connectors/:name/fence',
    at: byLeader,
    async handle(request, { herder }) {
      await herder.fencing.fence(nameOf(request))
      return { status: 200 }
    },
  },
  {
    method: 'POST',
    path: '/connectors/:name/restart',
    at: (request, context) =>
      isRestartOfAll(request) ? byLeader(request, context) : byWorker(request, context),
    async handle(request, { herder }) {
      const connector = nameOf(request)
      if (!isRestartOfAll(request)) {
        await herder.restartConnector(connector)
        return noContent
      }
      const { includeTasks, onlyFailed } = request.query
      const plan = await herder.restart({
        connector,
        includeTasks: isTrue(includeTasks),
        onlyFailed: isTrue(onlyFailed),
      })
      return { status: 202, body: plan }
    },
  },
  {
    method: 'GET',
    path: '/connectors/:name/tasks',
    handle(request, { herder }) {
      const name = nameOf(request)
      const { tasks } = herder.require(name)
      return ok(tasks.map((config, task) => ({ id: { connector: name, task }, config })))
    },
  },
  {
    method: 'GET',
    path: '/connectors/:name/tasks/:task/status',
    handle: (request, { herder }) => ok(herder.taskStatus(nameOf(request), taskId(request))),
  },
  {
    method: 'POST',
    path: '/connectors/:name/tasks/:task/restart',
    at: byWorker,
    async handle(request, { herder }) {
      await herder.restartTask(nameOf(request), taskId(request))
      return noContent
    },
  },
  {
    method: 'GET',
    path: '/connectors/:name/topics',
    handle(request, { statuses }) {
      const name = nameOf(request)
      return ok({ [name]: { topics: statuses.topics(name) } })
    },
  },
  {
    method: 'PUT',
    path: '/connectors/:name/topics/reset',
    async handle(request, { statuses }) {
      await statuses.resetTopics(nameOf(request))
      return accepted
    },
  },
  {
    method: 'GET',
    path: '/connectors/:name/offsets',
    handle: async (request, { offsets, herder }) =>
      ok({ offsets: await offsets.list(herder.require(nameOf(request))) }),
  },
  {
    method: 'PATCH',
    path: '/connectors/:name/offsets',
    at: byLeader,
    handle: async (request, { offsets, herder }) =>
      ok({ message: await offsets.alter(herder.require(nameOf(request)), request.body) }),
  },
  {
    method: 'DELETE',
    path: '/connectors/:name/offsets',
    at: byLeader,
    handle: async (request, { offsets, herder }) =>
      ok({ message: await offsets.reset(herder.require(nameOf(request))) }),
  },
]

const pluginRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/connector-plugins',
    handle({ query }, { herder, version }) {
      const connectors = herder.plugins.map(({ className, kind, version: own }) => ({
        class: className,
        type: kind as string,
        version: own,
      }))
      if (query.connectorsOnly !== 'false') return ok(connectors)
      const others = (type: string, plugins: readonly { className: string }[]) =>
        plugins
          .map(({ className }) => ({ class: className, type, version }))
          .sort((a, b) => (a.class < b.class ? -1 : 1))
      return ok([
        ...connectors,
        ...others('transformation', transformPlugins),
        ...others('predicate', predicatePlugins),
        ...others('converter', converterPlugins),
        ...others('header_converter', [
          ...converterPlugins,
          { className: simpleHeaderConverterName },
        ]),
      ])
    },
  },
  {
    method: 'GET',
    path: '/connector-plugins/:name/config',
    handle(request, { herder }) {
      const name = nameOf(request)
      const connector = findConnector(herder.plugins, name)
      if (connector) return ok(definitionsOf(connector))
      const other = [...transformPlugins, ...predicatePlugins, ...converterPlugins].find(
        ({ className }) => className === name,
      )
      if (other) return ok(other.spec.definitions())
      throw new ConnectError('CONNECT_NOT_FOUND', `Unknown plugin ${name}.`)
    },
  },
  {
    method: 'PUT',
    path: '/connector-plugins/:name/config/validate',
    handle(request, { herder }) {
      const config = readConfig(request.body)
      const name = nameOf(request)
      const written = config['connector.class']
      const plugin = requireConnector(herder.plugins, written ?? name)
      if (findConnector(herder.plugins, name) !== plugin)
        throw new ConnectError(
          'CONNECT_BAD_REQUEST',
          `Included connector type ${written} does not match request type ${name}`,
        )
      return ok(herder.validate(plugin, config))
    },
  },
]

const workerRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/',
    handle: (_request, { clusterId, version }) =>
      ok({ version, commit: 'khlong', kafka_cluster_id: clusterId }),
  },
  {
    method: 'GET',
    path: '/health',
    handle: () =>
      ok({
        status: 'healthy',
        message: 'Worker has completed startup and is ready to handle requests.',
      }),
  },
  {
    method: 'GET',
    path: '/admin/loggers',
    handle: (_request, { levels }) => ok(levels.all()),
  },
  {
    method: 'GET',
    path: '/admin/loggers/:name',
    handle: (request, { levels }) => ok(levels.get(nameOf(request))),
  },
  {
    method: 'PUT',
    path: '/admin/loggers/:name',
    async handle(request, { levels, herder }) {
      const wanted = (request.body as { level?: unknown } | undefined)?.level
      if (typeof wanted !== 'string')
        throw new ConnectError(
          'CONNECT_BAD_REQUEST',
          "Desired 'level' parameter was not specified in request.",
        )
      levelOf(wanted)
      if (request.query.scope !== 'cluster') return ok(levels.set(nameOf(request), wanted))
      await herder.setLogLevel(nameOf(request), wanted)
      return noContent
    },
  },
]

/** All paths of Kafka Connect's REST API. */
export const routes: readonly Route[] = [...workerRoutes, ...connectorRoutes, ...pluginRoutes]
