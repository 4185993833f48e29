import { type AccessGuard, covers } from '@khlong/core/access'
import type { FastifyInstance } from 'fastify'
import { GrafanaError } from '../errors.ts'
import type { DashboardJson, DashboardStore, StoredDashboard } from '../state/dashboard-store.ts'

/** `/api/search`, `/api/dashboards/…`, `/api/folders`, `/api/annotations`. */
export function dashboardRoutes(
  app: FastifyInstance,
  dashboards: DashboardStore,
  guard: AccessGuard,
): void {
  app.get<{ Querystring: Record<string, string | string[]> }>('/api/search', async (request) => {
    const { query = '', tag, type, dashboardUIDs, limit = '1000', page = '1' } = request.query
    // There is one folder, General, and Grafana does not list it.
    if (type === 'dash-folder') return []
    const words = String(query).toLowerCase()
    const tags = tag === undefined ? [] : [tag].flat()
    const uids = dashboardUIDs === undefined ? undefined : [dashboardUIDs].flat()
    const found = dashboards
      .list()
      .filter((one) => one.title.toLowerCase().includes(words))
      .filter((one) => tags.every((wanted) => one.tags.includes(wanted)))
      .filter((one) => uids === undefined || uids.includes(one.uid))
    const size = Math.max(1, Math.min(5000, Number(limit) || 1000))
    const start = (Math.max(1, Number(page) || 1) - 1) * size
    return found.slice(start, start + size).map((one) => ({
      id: one.id,
      uid: one.uid,
      title: one.title,
      uri: `db/${one.slug}`,
      url: urlOf(one),
      slug: '',
      type: 'dash-db',
      tags: one.tags,
      isStarred: false,
      sortMeta: 0,
    }))
  })

  app.get<{ Params: { uid: string } }>('/api/dashboards/uid/:uid', async (request) => {
    const one = dashboards.get(request.params.uid)
    if (!one)
      throw new GrafanaError('GRAFANA_NOT_FOUND', 'Dashboard not found', {
        wireStatus: 'not-found',
      })
    const role = guard.identityOf(request.raw)?.role ?? 'viewer'
    return { meta: metaOf(one, covers(role, 'editor')), dashboard: one.dashboard }
  })

  app.post<{ Body: { dashboard?: DashboardJson; overwrite?: boolean } | null }>(
    '/api/dashboards/db',
    async (request) => {
      const { dashboard, overwrite = false } = request.body ?? {}
      if (typeof dashboard !== 'object' || dashboard === null)
        throw new GrafanaError('GRAFANA_BAD_REQUEST', 'bad request data')
      const saved = await dashboards.save({ dashboard, overwrite: overwrite === true })
      return {
        id: saved.id,
        uid: saved.uid,
        url: urlOf(saved),
        status: 'success',
        version: saved.version,
        slug: saved.slug,
        folderUid: '',
      }
    },
  )

  app.get('/api/folders', async () => [])
  // None are stored: an empty list is the truth.
  app.get('/api/annotations', async () => [])
}

function urlOf(one: StoredDashboard): string {
  return `/d/${one.uid}/${encodeURIComponent(one.slug)}`
}

function metaOf(one: StoredDashboard, mayEdit: boolean): object {
  return {
    type: 'db',
    canSave: mayEdit && !one.provisioned,
    canEdit: mayEdit && !one.provisioned,
    canAdmin: false,
    canStar: false,
    canDelete: false,
    slug: one.slug,
    url: urlOf(one),
    expires: '0001-01-01T00:00:00Z',
    created: new Date(one.createdMs).toISOString(),
    updated: new Date(one.updatedMs).toISOString(),
    updatedBy: 'Anonymous',
    createdBy: 'Anonymous',
    version: one.version,
    hasAcl: false,
    isFolder: false,
    folderId: 0,
    folderUid: '',
    folderTitle: 'General',
    folderUrl: '',
    provisioned: one.provisioned,
    provisionedExternalId: one.file,
  }
}
