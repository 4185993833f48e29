import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { AddressBook } from '../config/address-book.ts'
import { clientAddress } from '../config/part-address.ts'
import type { PartName } from '../config/part-names.ts'

/**
 * Writes Prometheus's file-based discovery for the parts that run here: `discovery/khlong.json`
 * with one target per part and one for the platform, and `discovery/iot-metrics-time-series.json` with the sink's listener.
 */
export async function writeDiscovery(
  folder: string,
  book: AddressBook,
  running: readonly PartName[],
): Promise<void> {
  await mkdir(folder, { recursive: true })
  // A Prometheus elsewhere may look at several processes, which must not be taken for one.
  const isOurs = book.parts.prometheus.kind !== 'external'
  const parts = [...running, 'khlong'].map((part) => ({
    targets: [book.platform],
    labels: {
      __metrics_path__: `/metrics/${part}`,
      instance: isOurs ? part : `${part} ${book.platform}`,
      part,
    },
  }))
  await writeWhole(path.join(folder, 'khlong.json'), json(parts))
  const { connect } = book.parts
  const series = connect.kind === 'embedded' ? connect.listeners['series.listen'] : undefined
  await writeWhole(
    path.join(folder, 'iot-metrics-time-series.json'),
    json(series === undefined ? [] : [{ targets: [clientAddress(series)], labels: {} }]),
  )
}

/** The platform's address as {@link writeDiscovery} left it there; undefined where it did not. */
export async function platformAddress(folder: string): Promise<string | undefined> {
  try {
    const targets: unknown = JSON.parse(await readFile(path.join(folder, 'khlong.json'), 'utf8'))
    const address = (targets as { targets: string[] }[])[0]?.targets[0]
    return typeof address === 'string' ? address : undefined
  } catch {
    return undefined
  }
}

/** Writes a file so that whoever reads it meanwhile sees the old or the new one. */
export async function writeWhole(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text)
  await rename(`${file}.new`, file)
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}
