import type { Reader, Writer } from '@khlong/core/bytes'
import { type ApiKey, apiInfo } from '@khlong/kafka-protocol'

/** One API as the client speaks it: its codec and the versions that the client knows to use. */
export interface Api<Request, Response> {
  readonly key: ApiKey
  readonly name: string
  readonly minVersion: number
  readonly maxVersion: number
  encode(writer: Writer, value: Request, version: number): void
  decode(reader: Reader, version: number): Response
}

/** Describes an API; `maxVersion` where the newest versions mean something that we don't do. */
export function defineApi<Request, Response>(
  key: ApiKey,
  encode: (writer: Writer, value: Request, version: number) => void,
  decode: (reader: Reader, version: number) => Response,
  limits: { minVersion?: number; maxVersion?: number } = {},
): Api<Request, Response> {
  const info = apiInfo(key)
  if (!info) throw new RangeError(`no API has the key ${key}`)
  return {
    key,
    name: info.name,
    minVersion: limits.minVersion ?? info.minVersion,
    maxVersion: limits.maxVersion ?? info.advertisedMax,
    encode,
    decode,
  }
}
