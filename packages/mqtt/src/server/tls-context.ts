import { readdir } from 'node:fs/promises'
import path from 'node:path'
import tls from 'node:tls'
import { SettingsError } from '@khlong/core'
import type { TlsSettings } from '../listener-options.ts'

/** Gives the bytes of a file that a setting names. */
export type FileReader = (file: string, key: string) => Promise<Buffer>

const certificatePattern = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g
const minVersions = { 'tlsv1.2': 'TLSv1.2', 'tlsv1.3': 'TLSv1.3' } as const

/**
 * Reads the files of a TLS listener and tries them.
 *
 * @throws SettingsError `SETTINGS_INVALID` with file and key
 */
export async function readTlsContext(
  settings: TlsSettings,
  read: FileReader,
): Promise<tls.SecureContextOptions> {
  const { certfile, keyfile, cafile, capath, crlfile, dhparamfile } = settings
  const authorities = [
    ...(cafile ? certificatesIn(await read(cafile, 'cafile'), cafile, 'cafile') : []),
    ...(capath ? await certificatesBelow(capath, read) : []),
  ]
  const context: tls.SecureContextOptions = {
    cert: await read(certfile, 'certfile'),
    key: await read(keyfile, 'keyfile'),
    minVersion: minVersions[settings.tls_version],
    ...(authorities.length > 0 ? { ca: authorities } : {}),
    ...(crlfile ? { crl: await read(crlfile, 'crlfile') } : {}),
    ...(dhparamfile ? { dhparam: await read(dhparamfile, 'dhparamfile') } : { dhparam: 'auto' }),
    ...ciphersOf(settings),
  }
  tryContext(context, settings)
  return context
}

/** Each file by itself, so that the one that is wrong is named; then all together. */
function tryContext(context: tls.SecureContextOptions, settings: TlsSettings): void {
  const attempt = (key: keyof TlsSettings, parts: tls.SecureContextOptions): void => {
    try {
      tls.createSecureContext(parts)
    } catch (error) {
      const file = String(settings[key])
      const { message } = error as Error
      throw new SettingsError(`${file}: ${key}: cannot be used: ${message}`, { file, key })
    }
  }
  const { cert, key, crl, dhparam } = context
  if (cert) attempt('certfile', { cert })
  if (key) attempt('keyfile', { key })
  if (crl) attempt('crlfile', { crl })
  if (dhparam && dhparam !== 'auto') attempt('dhparamfile', { dhparam })
  if (settings.ciphers ?? settings.ciphersuites)
    attempt('ciphers', { ciphers: context.ciphers, minVersion: context.minVersion })
  attempt('keyfile', context)
}

function ciphersOf({ ciphers, ciphersuites }: TlsSettings): tls.SecureContextOptions {
  if (ciphers === undefined && ciphersuites === undefined) return {}
  const usual = tls.DEFAULT_CIPHERS.split(':')
  const isSuite = (name: string): boolean => name.startsWith('TLS_')
  return {
    ciphers: [
      ciphersuites ?? usual.filter(isSuite).join(':'),
      ciphers ?? usual.filter((name) => !isSuite(name)).join(':'),
    ].join(':'),
  }
}

function certificatesIn(bytes: Buffer, file: string, key: string): string[] {
  const found = bytes.toString('latin1').match(certificatePattern)
  if (!found) throw new SettingsError(`${file}: ${key}: holds no certificate`, { file, key })
  return found
}

async function certificatesBelow(folder: string, read: FileReader): Promise<string[]> {
  const names = await readdir(folder).catch(() => undefined)
  if (!names)
    throw new SettingsError(`${folder}: capath: the folder cannot be read`, {
      file: folder,
      key: 'capath',
    })
  const certificates: string[] = []
  for (const name of names.filter((one) => one.endsWith('.pem') || one.endsWith('.crt')).sort()) {
    const file = path.join(folder, name)
    certificates.push(...certificatesIn(await read(file, 'capath'), file, 'capath'))
  }
  if (certificates.length === 0)
    throw new SettingsError(`${folder}: capath: no .pem or .crt file in it`, {
      file: folder,
      key: 'capath',
    })
  return certificates
}
