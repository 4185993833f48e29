import type { Writer } from '@khlong/core/bytes'
import { ZooKeeperError } from '../errors.ts'

export const logMagic = 'KHZKLOG\n'
export const snapshotMagic = 'KHZKSNP\n'
export const formatVersion = 1
/** Eight bytes of magic, uint32 version. */
export const fileHeaderBytes = 12

export function writeHeader(writer: Writer, magic: string): void {
  writer.utf8(magic)
  writer.uint32(formatVersion)
}

/** @throws ZooKeeperError `ZOOKEEPER_FORMAT_UNKNOWN` where the file is another's, or of a newer version. */
export function checkHeader(bytes: Buffer, magic: string, file: string): void {
  const found = bytes.toString('latin1', 0, 8)
  const foundVersion = bytes.byteLength >= fileHeaderBytes ? bytes.readUInt32BE(8) : 0
  if (found === magic && foundVersion === formatVersion) return
  const what =
    found === magic
      ? `has format version ${foundVersion}, this server reads version ${formatVersion}`
      : 'does not begin as such a file does'
  throw new ZooKeeperError('ZOOKEEPER_FORMAT_UNKNOWN', `${file} ${what}`, { fields: { file } })
}
