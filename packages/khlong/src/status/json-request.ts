import type http from 'node:http'
import { KhlongError } from '../errors.ts'

/** A status and what is said as JSON. */
export interface JsonAnswer {
  readonly status: number
  readonly body: unknown
}

/** The JSON that came with a request. @throws KhlongError `KHLONG_USAGE` where it is none, or too long */
export async function readJson(request: http.IncomingMessage, bytesMax: number): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > bytesMax)
      throw new KhlongError('KHLONG_USAGE', `expected at most ${bytesMax} bytes`)
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString())
  } catch (cause) {
    throw new KhlongError('KHLONG_USAGE', 'expected JSON', { cause })
  }
}
