import { crc32c, ReadError, Reader } from '@khlong/core/bytes'
import { MqttError } from '../errors.ts'

// docs/formats/mqtt-journal.md describes these bytes.

const magic = Buffer.from('KHLMQTTJ')
/** The version of the format that is written; version 1 is read too. */
export const formatVersion = 2
/** Size of what stands before the first record of a file. */
export const segmentHeaderBytes = 16
const recordHeaderBytes = 9

/** What a record says. */
export const RecordType = {
  durable: 1,
  session: 2,
  sessionEnded: 3,
  subscribed: 4,
  unsubscribed: 5,
  message: 6,
  assigned: 7,
  received: 8,
  progress: 9,
  released: 10,
  retainedCleared: 11,
} as const

/** The first bytes of a segment file. */
export function segmentHeader(sequence: number): Buffer {
  const header = Buffer.alloc(segmentHeaderBytes)
  magic.copy(header)
  header.writeUInt16BE(formatVersion, 8)
  header.writeUInt32BE(sequence, 12)
  return header
}

interface SegmentPlace {
  readonly folder: string
  readonly name: string
  readonly sequence: number
  /** Only the last segment can end in a torn tail. */
  readonly isLast: boolean
}

/** What a segment file turned out to be. */
export interface ReadSegment {
  /** Where the readable records end: before the end of the file where its tail is torn. */
  readonly end: number
  readonly version: number
}

/**
 * Gives each record's type and body, and returns where the readable records end.
 *
 * @throws MqttError `MQTT_JOURNAL_DAMAGED`, `MQTT_JOURNAL_VERSION`
 */
export function readSegment(
  bytes: Buffer,
  place: SegmentPlace,
  visit: (type: number, body: Reader) => void,
): ReadSegment {
  const empty = { end: 0, version: formatVersion }
  const damaged = (position: number, what: string): MqttError =>
    new MqttError(
      'MQTT_JOURNAL_DAMAGED',
      `${place.folder}/${place.name}: ${what} at byte ${position}; restore the folder from a backup, or move it away to start empty`,
      { fields: { file: place.name, position } },
    )
  if (bytes.length < segmentHeaderBytes) {
    if (place.isLast) return empty
    throw damaged(bytes.length, 'the file ends inside its header')
  }
  if (!bytes.subarray(0, 8).equals(magic) || bytes.readUInt32BE(12) !== place.sequence) {
    // A new file whose header was not flushed holds zeros.
    if (place.isLast && bytes.every((byte) => byte === 0)) return empty
    throw damaged(0, 'no header of an MQTT journal')
  }
  const version = bytes.readUInt16BE(8)
  if (version < 1 || version > formatVersion)
    throw new MqttError(
      'MQTT_JOURNAL_VERSION',
      `${place.folder}/${place.name} has version ${version} of the MQTT journal; this program reads up to ${formatVersion}`,
      { fields: { file: place.name, version } },
    )
  let position = segmentHeaderBytes
  while (position < bytes.length) {
    const bodyBytes = recordBodyBytes(bytes, position)
    if (bodyBytes < 0) {
      if (place.isLast && !isDurableBeyond(bytes, position, place.sequence))
        return { end: position, version }
      throw damaged(position, 'a record is damaged')
    }
    const start = position + recordHeaderBytes
    try {
      visit(bytes[start - 1]!, new Reader(bytes, start, start + bodyBytes))
    } catch (error) {
      if (!(error instanceof ReadError)) throw error
      throw damaged(position, `a record that is whole and cannot be read (${error.message})`)
    }
    position = start + bodyBytes
  }
  return { end: position, version }
}

/** The size of the body of the record at `position`, or -1 where there is no whole record. */
function recordBodyBytes(bytes: Buffer, position: number): number {
  const start = position + recordHeaderBytes
  if (start > bytes.length) return -1
  const bodyBytes = bytes.readUInt32BE(position)
  if (bodyBytes > bytes.length - start) return -1
  const sum = bytes.readUInt32BE(position + 4)
  return crc32c(bytes.subarray(start - 1, start + bodyBytes)) === sum ? bodyBytes : -1
}

/** Whether a later record says that the bytes at `position` had been flushed: then they are damaged, not torn. */
function isDurableBeyond(bytes: Buffer, position: number, sequence: number): boolean {
  for (let at = position + 1; at + recordHeaderBytes + 8 <= bytes.length; at++) {
    if (bytes[at + 8] !== RecordType.durable || bytes.readUInt32BE(at) !== 8) continue
    const start = at + recordHeaderBytes
    if (bytes.readUInt32BE(start) !== sequence || recordBodyBytes(bytes, at) < 0) continue
    if (bytes.readUInt32BE(start + 4) > position) return true
  }
  return false
}
