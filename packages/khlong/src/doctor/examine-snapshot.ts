import type { VitalItem } from '@khlong/core'
import type { PartSnapshot, Snapshot } from '../status/snapshot.ts'
import { firstLine, formatCount } from '../terminal/format.ts'
import type { Finding } from './finding.ts'

/** More records than this wait only where a reader is behind; the console warns at the same. */
const lagMax = 1_000

/** What a snapshot of a running pipeline says about its health. */
export function examineSnapshot(snapshot: Snapshot): Finding[] {
  return snapshot.parts.flatMap((part) => [...examinePart(part), ...examineItems(part)])
}

function examinePart({ name, status, error, restarts, vitals }: PartSnapshot): Finding[] {
  const findings: Finding[] = []
  if (status === 'failed')
    findings.push({
      level: 'wrong',
      what: `${name} has failed: ${error ?? 'no reason is known'}`,
      remedy: 'it is started again by itself, with growing pauses; the log of khlong up has more',
    })
  else if (status !== 'ready' && status !== 'external')
    findings.push({ level: 'note', what: `${name} is ${status}` })
  if (restarts > 0)
    findings.push({
      level: 'note',
      what: `${name} was started again ${times(restarts)} after a failure`,
      remedy: 'the log of khlong up says why',
    })
  const ofItems = sum(vitals?.items, (item) => item.lag)
  if ((vitals?.lag ?? 0) - ofItems > lagMax)
    findings.push({
      level: 'wrong',
      what: `${name}: ${formatCount(vitals?.lag ?? 0)} records wait`,
      remedy: 'whoever reads from it is too slow or away',
    })
  return findings
}

function examineItems({ name: part, vitals, address }: PartSnapshot): Finding[] {
  return (vitals?.items ?? []).flatMap((item) => {
    const what = `${part}: ${item.kind} ${item.name}`
    const findings: Finding[] = []
    const because = item.note === undefined ? '' : `: ${firstLine(item.note)}`
    if (item.state === 'failed')
      findings.push({
        level: 'wrong',
        what: `${what} has failed${because}`,
        ...remedyOfFailure(part, item, address),
      })
    if (item.state === 'paused')
      findings.push({
        level: 'note',
        what: `${what} is paused`,
        ...(item.kind === 'connector'
          ? { remedy: `npx khlong connect resume ${item.name}${connectUrl(address)}` }
          : {}),
      })
    if ((item.lag ?? 0) > lagMax) findings.push(behind(what, item))
    if (item.deadLetters)
      findings.push({
        level: 'note',
        what: `${what} has set ${formatCount(item.deadLetters)} records aside since it started`,
      })
    return findings
  })
}

function behind(what: string, { kind, state, lag = 0 }: VitalItem): Finding {
  const records = `${formatCount(lag)} records`
  return kind === 'topic'
    ? {
        level: 'wrong',
        what: `${what}: a reader is ${records} behind`,
        remedy: 'npx khlong kafka groups says which',
      }
    : {
        level: 'wrong',
        what: `${what} is ${records} behind`,
        remedy: state === 'paused' ? 'it is paused' : 'it is slower than what comes in',
      }
}

function remedyOfFailure(
  part: string,
  { kind, name }: VitalItem,
  address: string | undefined,
): { remedy?: string } {
  if (kind === 'connector')
    return {
      remedy: `npx khlong connect status ${name}${connectUrl(address)} has the trace; after mending: npx khlong connect restart ${name}`,
    }
  if (kind === 'application')
    return {
      remedy:
        'mend its file or its settings and start again; it is tried again by itself meanwhile',
    }
  return part === 'prometheus' ? { remedy: 'is the target there?' } : {}
}

function connectUrl(address: string | undefined): string {
  return address === undefined || address === '127.0.0.1:8083' ? '' : ` --url http://${address}`
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`
}

function sum<Item>(items: readonly Item[] = [], read: (item: Item) => number | undefined): number {
  return items.reduce((total, item) => total + (read(item) ?? 0), 0)
}
