import { parseDocument } from 'yaml'
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

/** Says of each data source that Grafana is provisioned with whether the console has it. */
export function takeDataSources(draft: PipelineDraft, files: readonly ProjectFile[]): void {
  for (const file of files) {
    if (!/\.ya?ml$/i.test(file.path) || !/^datasources:/m.test(file.text)) continue
    const { datasources } = (parseDocument(file.text).toJS() ?? {}) as { datasources?: unknown }
    for (const source of Array.isArray(datasources) ? datasources : []) {
      const { name, type } = (source ?? {}) as { name?: unknown; type?: unknown }
      const what = `${file.path}: data source ${String(name)}`
      if (type === 'prometheus') draft.taken(what, 'the part prometheus, which panels ask')
      else
        draft.leftOut(
          what,
          `panels that ask ${String(type)} stay empty: the console asks Prometheus; documents and topics have places of their own`,
        )
    }
  }
}
