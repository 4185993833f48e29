import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { ListenAddress } from '@khlong/core'
import { type Pipeline, partSettings } from '../config/pipeline.ts'

/** Where a device connects to, and by what it knows the broker. */
export interface BrokerPlace extends ListenAddress {
  /** Missing where the listener has no TLS. */
  readonly tls?: BrokerTls | undefined
}

export interface BrokerTls {
  /** The certificate of the local authority, PEM; undefined where it is one that everybody knows. */
  readonly authority: string | undefined
}

/**
 * How a device knows the broker of a pipeline; undefined where it has no certificate. The authority is
 * that of `khlong cert`, which writes `ca.crt` beside the server's certificate, or the `cafile`.
 */
export async function brokerTls(pipeline: Pipeline): Promise<BrokerTls | undefined> {
  const { certfile, cafile } = partSettings(pipeline, 'mqtt') || {}
  if (typeof certfile !== 'string') return undefined
  const server = path.resolve(pipeline.folder, certfile)
  const candidates = [path.join(path.dirname(server), 'ca.crt')]
  if (typeof cafile === 'string') candidates.push(path.resolve(pipeline.folder, cafile))
  for (const file of candidates)
    try {
      const authority = new X509Certificate(await readFile(file))
      const signed = new X509Certificate(await readFile(server))
      if (signed.verify(authority.publicKey)) return { authority: authority.toString().trim() }
    } catch {
      // It is not there, or no certificate: another one may be.
    }
  return { authority: undefined }
}
