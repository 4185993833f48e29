import type { PipelineDraft } from './pipeline-draft.ts'
import { baseName, jsonObjectOf, type ProjectFile } from './project-files.ts'

interface Dashboard {
  readonly title: string
  readonly panels?: unknown[]
  readonly rows?: unknown[]
}

/** Takes over dashboards, bare or as `{"dashboard": …}` that a script posts. */
export function takeDashboards(draft: PipelineDraft, files: readonly ProjectFile[]): void {
  for (const file of files) {
    if (!/\.json$/i.test(file.path)) continue
    const found = dashboardOf(file.text)
    if (!found) continue
    const name = `dashboards/${baseName(file)}`
    draft.files.set(
      name,
      found.isBare ? file.text : `${JSON.stringify(found.dashboard, null, 2)}\n`,
    )
    if (found.isBare) draft.taken(file.path, `${name}, unchanged`)
    else draft.changed(file.path, `${name}, without what wrapped it for Grafana's API`)
  }
}

function dashboardOf(text: string): { dashboard: Dashboard; isBare: boolean } | undefined {
  const json = jsonObjectOf(text)
  if (json === undefined) return undefined
  const { dashboard } = json as { dashboard?: unknown }
  const candidate = (dashboard ?? json) as Partial<Dashboard>
  const isDashboard =
    typeof candidate === 'object' &&
    typeof candidate.title === 'string' &&
    (Array.isArray(candidate.panels) || Array.isArray(candidate.rows))
  return isDashboard
    ? { dashboard: candidate as Dashboard, isBare: dashboard === undefined }
    : undefined
}
