import { globSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import type { DiscoveryKeys, ScrapeConfig } from '../config.ts'

const targetGroups = z.array(
  z.object({
    targets: z.array(z.string()),
    labels: z.record(z.string(), z.coerce.string()).default({}),
  }),
)
type TargetGroup = z.infer<typeof targetGroups>[number]

export interface DiscoveryOptions {
  /** Folder of the configuration file: relative paths start there. */
  folder: string
  /** Where paths that begin with `discovery/` are found; default below `folder`. */
  discoveryFolder: string | undefined
}

/** A target before relabelling: its address and labels. */
export type DiscoveredTarget = Readonly<Record<string, string>>

/**
 * All targets of a job, from static, file and HTTP discovery.
 *
 * @throws where one source cannot be read; the caller goes on with what it knew before
 */
export async function discoverTargets(
  config: Pick<ScrapeConfig, DiscoveryKeys>,
  options: DiscoveryOptions,
): Promise<DiscoveredTarget[]> {
  const groups: TargetGroup[] = [...config.static_configs]
  for (const { files } of config.file_sd_configs)
    for (const pattern of files)
      for (const file of globSync(locate(pattern, options)).toSorted())
        groups.push(...targetGroups.parse(parse(await readFile(file, 'utf8')) ?? []))
  for (const { url } of config.http_sd_configs) {
    const response = await fetch(url, { signal: AbortSignal.timeout(10_000) })
    if (!response.ok) throw new Error(`${url} answered ${response.status}`)
    groups.push(...targetGroups.parse(await response.json()))
  }
  return groups.flatMap(({ targets, labels }) =>
    targets.map((target) => ({ ...labels, __address__: target })),
  )
}

function locate(pattern: string, { folder, discoveryFolder }: DiscoveryOptions): string {
  const relative = path.normalize(pattern)
  if (discoveryFolder !== undefined && relative.startsWith(`discovery${path.sep}`))
    return path.join(discoveryFolder, relative.slice('discovery'.length + 1))
  return path.resolve(folder, pattern)
}
