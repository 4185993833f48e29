import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { GrafanaError } from '../errors.ts'
import { proxyTo } from '../server/proxy.ts'
import type { DataSource, DataSourceStore } from '../state/data-source-store.ts'

/** `/api/datasources`, by id, uid and name, and the proxy to them. */
export function dataSourceRoutes(app: FastifyInstance, sources: DataSourceStore): void {
  app.get('/api/datasources', async () => sources.list())

  // As in Grafana an administrator's: whoever names an address makes this server ask it.
  app.post<{ Body: Partial<DataSource> | null }>(
    '/api/datasources',
    { config: { role: 'administrator' } },
    async (request) => {
      const datasource = await sources.add(request.body ?? {})
      return { id: datasource.id, name: datasource.name, message: 'Datasource added', datasource }
    },
  )

  app.get<{ Params: { uid: string } }>('/api/datasources/uid/:uid', async (request) =>
    found(sources.byUid(request.params.uid)),
  )
  app.get<{ Params: { name: string } }>('/api/datasources/name/:name', async (request) =>
    found(sources.byName(request.params.name)),
  )
  app.get<{ Params: { id: string } }>('/api/datasources/:id', async (request) =>
    found(sources.byId(Number(request.params.id))),
  )

  const proxy = (find: (key: string) => DataSource | undefined) => {
    return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
      const { key, '*': path } = request.params as { key: string; '*': string }
      const source = found(find(key))
      if (source.url === '')
        throw new GrafanaError(
          'GRAFANA_BAD_REQUEST',
          `data source ${source.name} is not spoken to over HTTP; use /api/ds/query`,
        )
      return proxyTo({
        part: 'prometheus',
        url: source.url,
        path,
        request,
        reply,
        token: sources.tokenOf(source),
      })
    }
  }
  for (const method of ['GET', 'POST'] as const) {
    app.route({
      method,
      url: '/api/datasources/proxy/uid/:key/*',
      config: { isRead: isQuery },
      handler: proxy((key) => sources.byUid(key)),
    })
    app.route({
      method,
      url: '/api/datasources/proxy/:key/*',
      config: { isRead: isQuery },
      handler: proxy((key) => sources.byId(Number(key))),
    })
  }
}

/** Whether what is passed on only asks: Prometheus takes queries by POST, too. */
function isQuery(request: FastifyRequest): boolean {
  const { '*': path } = request.params as { '*': string }
  return /^api\/v1\/(?:query|query_range|query_exemplars|series|labels|format_query)$/.test(path)
}

function found(source: DataSource | undefined): DataSource {
  if (!source) throw new GrafanaError('GRAFANA_NOT_FOUND', 'Data source not found')
  return source
}
