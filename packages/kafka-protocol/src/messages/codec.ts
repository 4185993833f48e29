import type { Reader, Writer } from '@khlong/core/bytes'

/** The codec of one API by its key, for code that treats all APIs alike. */
export interface MessageCodec {
  encodeRequest(writer: Writer, value: object, version: number): void
  decodeRequest(reader: Reader, version: number): object
  encodeResponse(writer: Writer, value: object, version: number): void
  decodeResponse(reader: Reader, version: number): object
}
