import { PrometheusError } from '../errors.ts'

/** Four letters and the version of what follows, with which each file of ours begins. */
export function fileMagic(letters: string, version: number): Buffer {
  return Buffer.concat([Buffer.from(letters, 'latin1'), Buffer.of(version)])
}

/**
 * Whether `found` is what a file of this kind begins with.
 *
 * @throws PrometheusError `PROMETHEUS_STORAGE_NEWER` where a newer Khlong wrote it
 */
export function isMagic(file: string, found: Buffer, magic: Buffer): boolean {
  const version = found[4] ?? 0
  if (found.subarray(0, 4).equals(magic.subarray(0, 4)) && version > magic[4]!)
    throw new PrometheusError(
      'PROMETHEUS_STORAGE_NEWER',
      `${file} has format version ${version}, this Khlong reads ${magic[4]}; use the one that wrote it, or a newer one`,
      { fields: { file } },
    )
  return found.equals(magic)
}
