import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { isMap, isScalar, isSeq, parseDocument, visit } from 'yaml'
import { writeWhole } from '../status/discovery.ts'

/**
 * Writes `discovery/prometheus.yml`: the pipeline's own `prometheus.yml` with whole paths, so that a real
 * Prometheus that runs elsewhere on this machine can be started with it and finds targets and rules.
 * Gives the file's path; undefined where the pipeline has no `prometheus.yml`.
 */
export async function writePrometheusFile(
  discoveryFolder: string,
  configFile: string,
): Promise<string | undefined> {
  const text = await readFile(configFile, 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const document = parseDocument(text)
  const folder = path.dirname(configFile)
  const whole = (file: string): string =>
    file.startsWith('discovery/')
      ? path.join(discoveryFolder, file.slice('discovery/'.length))
      : path.resolve(folder, file)
  const rewrite = (files: unknown): void => {
    if (!isSeq(files)) return
    for (const file of files.items)
      if (isScalar(file) && typeof file.value === 'string') file.value = whole(file.value)
  }
  if (isMap(document.contents)) rewrite(document.contents.get('rule_files'))
  visit(document, {
    Map(_key, map) {
      if (map.has('file_sd_configs')) {
        const groups = map.get('file_sd_configs')
        if (isSeq(groups))
          for (const group of groups.items) if (isMap(group)) rewrite(group.get('files'))
      }
    },
  })
  const file = path.join(discoveryFolder, 'prometheus.yml')
  await writeWhole(file, document.toString({ lineWidth: 0 }))
  return file
}
