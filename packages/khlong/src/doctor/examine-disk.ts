import type { Pipeline } from '../config/pipeline.ts'
import { partSettings } from '../config/pipeline.ts'
import type { DiskSpace } from '../disk/disk-space.ts'
import { type DiskState, diskState } from '../disk/disk-watch.ts'
import { formatBytes } from '../terminal/format.ts'
import type { Finding } from './finding.ts'
import type { PipelineState } from './running-pipeline.ts'

/** Beyond this share of what may be used somebody should look; the rule DiskFilling says the same. */
const fillingShare = 0.9

const remedy =
  'make room, allow more (disk.budget), keep the data elsewhere (--data DIR), or keep less (disk.expire, kafka.log.retention.hours)'

/** How the data stand to the budget: as the running process knows it, or as it would begin. */
export function diskStateOf(pipeline: Pipeline, state: PipelineState, space: DiskSpace): DiskState {
  const known = state.kind === 'running' ? state.snapshot.disk : undefined
  return known ?? diskState(pipeline.disk, space)
}

/** What is to be said of the disk budget. */
export function examineBudget({ held, usedBytes, limitBytes }: DiskState): Finding[] {
  if (held !== undefined) return [{ level: 'wrong', what: `sources have to wait: ${held}`, remedy }]
  if (usedBytes > limitBytes * fillingShare)
    return [
      {
        level: 'note',
        what: `the data take ${formatBytes(usedBytes)} of the ${formatBytes(Math.round(limitBytes))} that they may; at that sources have to wait`,
        remedy,
      },
    ]
  return []
}

/** How long each kind of data is kept, and by which key, one a line. */
export function retentionLines(pipeline: Pipeline): string[] {
  const written = (part: 'kafka' | 'prometheus' | 'zookeeper', key: string): unknown => {
    const settings = partSettings(pipeline, part)
    return settings === false ? undefined : settings?.[key]
  }
  const hours = Number(written('kafka', 'log.retention.hours') ?? 168)
  const milliseconds = written('kafka', 'log.retention.ms')
  const minutes = written('kafka', 'log.retention.minutes')
  const recordDays =
    milliseconds !== undefined
      ? Number(milliseconds) / 86_400_000
      : minutes !== undefined
        ? Number(minutes) / 1_440
        : hours / 24
  const recordsKey =
    milliseconds !== undefined
      ? 'kafka.log.retention.ms'
      : minutes !== undefined
        ? 'kafka.log.retention.minutes'
        : 'kafka.log.retention.hours'
  const rows: [string, string, string][] = [
    ['records', recordDays < 0 ? 'for ever' : days(recordDays), recordsKey],
    ...pipeline.disk.expire.map(
      ({ database, collection, afterSeconds }): [string, string, string] => [
        `${database}.${collection}`,
        days(afterSeconds / 86_400),
        'disk.expire',
      ],
    ),
    [
      'series',
      String(written('prometheus', 'storage.tsdb.retention.time') ?? '15d'),
      'prometheus.storage.tsdb.retention.time',
    ],
  ]
  const width = Math.max(...rows.map(([what]) => what.length)) + 2
  return rows.map(([what, time, key]) => `  ${what.padEnd(width)}${time.padEnd(10)}${key}`)
}

function days(count: number): string {
  const rounded = Math.round(count * 100) / 100
  return `${rounded} ${rounded === 1 ? 'day' : 'days'}`
}
