import { type Document, isMap, isScalar, isSeq, parseDocument, type YAMLMap } from 'yaml'
import { KhlongError } from '../errors.ts'
import type { ComposeService } from './compose-file.ts'
import type { PipelineDraft } from './pipeline-draft.ts'
import { baseName, type ProjectFile } from './project-files.ts'
import { roleOf } from './systems.ts'

const ownMetrics = `  # What the parts of Khlong say of themselves; the platform writes the targets.
  - job_name: khlong
    scrape_interval: 5s
    file_sd_configs:
      - files: [discovery/khlong.json]
`

/** Takes over `prometheus.yml`, its rules, and `alertmanager.yml`. */
export function takePrometheusFiles(
  draft: PipelineDraft,
  files: readonly ProjectFile[],
  services: readonly ComposeService[],
): void {
  const main = files.find((file) => /^prometheus\.ya?ml$/i.test(baseName(file)))
  if (main === undefined) return
  draft.use('prometheus')
  const document = parseYaml(main)
  takeJobs(draft, main, document, services)
  takeRules(draft, main, document, files)
  const alertmanager = files.find((file) => /^alertmanager\.ya?ml$/i.test(baseName(file)))
  if (alertmanager) {
    draft.files.set('alertmanager.yml', alertmanager.text)
    draft.set('prometheus', 'alertmanager.config.file', './alertmanager.yml')
    draft.taken(alertmanager.path, 'alertmanager.yml, unchanged')
  }
  const jobs = document.get('scrape_configs')
  const text = document.toString({ lineWidth: 0 }).trimEnd()
  draft.files.set(
    'prometheus.yml',
    isSeq(jobs) && jobs.items.length > 0
      ? `${text.replace(/^scrape_configs:[^\n]*\n/m, (line) => line + ownMetrics)}\n`
      : `${text.replace(/^scrape_configs:.*\n?/m, '')}\nscrape_configs:\n${ownMetrics}`,
  )
}

function parseYaml(file: ProjectFile): Document {
  const document = parseDocument(file.text)
  const problem = document.errors[0]
  if (problem || !isMap(document.contents))
    throw new KhlongError(
      'KHLONG_IMPORT',
      `${file.path}: ${problem?.message ?? 'expected the settings of Prometheus'}`,
    )
  return document
}

/** Jobs whose targets run here, or outside of the project, stay; the others have nobody to ask. */
function takeJobs(
  draft: PipelineDraft,
  main: ProjectFile,
  document: Document,
  services: readonly ComposeService[],
): void {
  const jobs = document.get('scrape_configs')
  if (!isSeq(jobs)) return
  jobs.items = jobs.items.filter((job) => {
    if (!isMap(job)) return true
    const what = `${main.path}: job ${job.get('job_name')}`
    const roles = targetsOf(job).map((target) => {
      const host = target.split(':')[0]!
      if (draft.isMapped(target) || draft.isMapped(host)) return 'here'
      const service = services.find(({ name, aliases }) => name === host || aliases.includes(host))
      if (service === undefined) return 'here'
      const role = roleOf(service)
      if (role.kind === 'exporter') return role.part
      return role.kind === 'processor' ? 'streams' : 'away'
    })
    if (roles.includes('away')) {
      draft.leftOut(
        what,
        `${targetsOf(job).join(', ')} does not run here; where it does elsewhere, put the job back with its address`,
      )
      return false
    }
    const own = roles.find((role) => role !== 'here')
    if (own !== undefined) {
      for (const target of targetsOf(job)) draft.mapHost(target.split(':')[0]!, 'khlong')
      job.set('metrics_path', `/metrics/${own}`)
      job.delete('basic_auth')
      draft.changed(what, `asks Khlong itself, at /metrics/${own}`)
    } else draft.taken(what, 'prometheus.yml')
    return true
  })
}

function targetsOf(job: YAMLMap): string[] {
  const groups = job.get('static_configs')
  if (!isSeq(groups)) return []
  return groups.items.flatMap((group) => {
    const targets = isMap(group) ? group.get('targets') : undefined
    return isSeq(targets)
      ? targets.items.map((target) => String(isScalar(target) ? target.value : target))
      : []
  })
}

/** Rule files lie where the container had them; here they lie in `rules/`. */
function takeRules(
  draft: PipelineDraft,
  main: ProjectFile,
  document: Document,
  files: readonly ProjectFile[],
): void {
  const rules = files.filter(
    (file) =>
      file !== main &&
      /\.ya?ml$/i.test(file.path) &&
      /^groups:/m.test(file.text) &&
      /^\s*-?\s*(alert|record):/m.test(file.text),
  )
  if (!document.has('rule_files')) return
  document.set('rule_files', document.createNode(['rules/*.yml']))
  for (const rule of rules) {
    const name = `rules/${baseName(rule).replace(/\.yaml$/i, '.yml')}`
    draft.files.set(name, rule.text)
    draft.taken(rule.path, `${name}, unchanged`)
  }
}
