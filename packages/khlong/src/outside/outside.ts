import path from 'node:path'
import type { Logger } from '@khlong/core'
import type { AddressBook } from '../config/address-book.ts'
import { type Pipeline, partSettings } from '../config/pipeline.ts'
import { provisionGrafana } from './grafana-provisioning.ts'
import { writePrometheusFile } from './prometheus-file.ts'

/**
 * Gives real systems elsewhere what the embedded parts find by themselves: Prometheus its configuration
 * as a file, Grafana its data source and dashboards through its API, which goes on in the background
 * until it is done or `signal` aborts.
 */
export async function equipOutside(
  pipeline: Pipeline,
  { parts, environment }: AddressBook,
  { logger, signal }: { logger: Logger; signal: AbortSignal },
): Promise<void> {
  const fileOf = (part: 'prometheus' | 'grafana', key: string, fallback: string): string => {
    const settings = partSettings(pipeline, part)
    const written = settings === false ? undefined : settings?.[key]
    return path.resolve(pipeline.folder, typeof written === 'string' ? written : fallback)
  }
  if (parts.prometheus.kind === 'external') {
    const file = await writePrometheusFile(
      path.join(pipeline.data, 'discovery'),
      fileOf('prometheus', 'config.file', './prometheus.yml'),
    )
    if (file !== undefined)
      logger.info(
        { file },
        'start Prometheus with --config.file and this file, or include its jobs',
      )
  }
  if (parts.grafana.kind === 'external')
    void provisionGrafana({
      url: parts.grafana.address,
      token: process.env.KHLONG_GRAFANA_TOKEN,
      prometheus: environment.KHLONG_PROMETHEUS_URL,
      dashboards: fileOf('grafana', 'dashboards', './dashboards'),
      logger,
      signal,
    })
}
