import { createPrivateKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { KhlongError } from '../errors.ts'
import {
  makeCertificate,
  makeRevocationList,
  type Signer,
  subjectName,
  subjectOf,
} from './certificate.ts'
import { pem } from './der.ts'

const dayMs = 86_400_000
const authorityDays = 3_650
/** Devices of Apple take no server certificate of a longer life. */
export const defaultDays = 825
/** A clock that is behind ours must not find a certificate that begins tomorrow. */
const earlierMs = dayMs

/** The two files of a certificate. */
export interface IssuedFiles {
  readonly certificate: string
  readonly key: string
}

/**
 * A local authority in a folder: `ca.crt` and `ca.key`, `server.crt` and `server.key`,
 * `clients/NAME.crt` and `.key`, and `crl.pem`, which names those that were revoked.
 */
export class Authority {
  readonly folder: string
  readonly #certificate: X509Certificate
  readonly #signer: Signer

  private constructor(folder: string, certificate: X509Certificate, privateKey: KeyObject) {
    this.folder = folder
    this.#certificate = certificate
    this.#signer = { name: subjectOf(certificate.raw), privateKey }
  }

  /** The certificate that clients have to trust. */
  get certificateFile(): string {
    return path.join(this.folder, 'ca.crt')
  }
  get fingerprint(): string {
    return this.#certificate.fingerprint256
  }

  /**
   * Opens the authority in `folder`, which is made where there is none.
   *
   * @throws KhlongError `KHLONG_CERTIFICATE` where its files cannot be used
   */
  static async open(folder: string, name: string = `Khlong ${os.hostname()}`): Promise<Authority> {
    const certificateFile = path.join(folder, 'ca.crt')
    const keyFile = path.join(folder, 'ca.key')
    const certificate = await readFile(certificateFile).catch(() => undefined)
    if (!certificate) {
      const { privateKey, publicKey } = newKeys()
      const subject = subjectName(name)
      const der = makeCertificate(
        { kind: 'authority', commonName: name, publicKey, ...life(authorityDays) },
        { name: subject, privateKey },
      )
      await mkdir(folder, { recursive: true })
      await writeKey(keyFile, privateKey)
      await writeFile(certificateFile, pem('CERTIFICATE', der))
      return new Authority(folder, new X509Certificate(der), privateKey)
    }
    try {
      const parsed = new X509Certificate(certificate)
      const privateKey = createPrivateKey(await readFile(keyFile))
      if (!parsed.checkPrivateKey(privateKey)) throw new Error('key and certificate differ')
      return new Authority(folder, parsed, privateKey)
    } catch (error) {
      throw new KhlongError('KHLONG_CERTIFICATE', `${folder}: ca.crt and ca.key cannot be used`, {
        cause: error,
      })
    }
  }

  /** Makes the certificate of a server that is reached by `hosts`. */
  async issueServer(hosts: readonly string[], days: number = defaultDays): Promise<IssuedFiles> {
    for (const host of hosts)
      if (!/^[A-Za-z0-9.:*_-]{1,253}$/.test(host))
        throw new KhlongError('KHLONG_USAGE', `expected a host name or an address, found ${host}`)
    return this.#issue('server', path.join(this.folder, 'server'), hosts[0]!, hosts, days)
  }

  /** Makes the certificate of a client, whose common name is its username. */
  async issueClient(name: string, days: number = defaultDays): Promise<IssuedFiles> {
    const file = this.#clientFile(name)
    if (await readFile(`${file}.crt`).catch(() => undefined))
      throw new KhlongError(
        'KHLONG_CERTIFICATE',
        `${file}.crt is there already; revoke it first: khlong cert revoke ${name}`,
      )
    await mkdir(path.dirname(file), { recursive: true })
    return this.#issue('client', file, name, [], days)
  }

  /** Says that a client's certificate does not count any more. Gives the list's file. */
  async revoke(name: string): Promise<string> {
    const file = this.#clientFile(name)
    const certificate = await readFile(`${file}.crt`).catch(() => undefined)
    if (!certificate)
      throw new KhlongError('KHLONG_CERTIFICATE', `there is no certificate ${file}.crt`)
    const { serialNumber } = new X509Certificate(certificate)
    const list = await this.#readRevoked()
    list.push({ serial: serialNumber, at: new Date() })
    await this.#writeRevoked(list)
    await rm(`${file}.crt`)
    await rm(`${file}.key`, { force: true })
    return this.#listFile
  }

  /** Writes the list of revoked certificates where there is none; gives its file. */
  async revocationList(): Promise<string> {
    const list = await readFile(this.#listFile).catch(() => undefined)
    if (!list) await this.#writeRevoked(await this.#readRevoked())
    return this.#listFile
  }

  get #listFile(): string {
    return path.join(this.folder, 'crl.pem')
  }
  get #revokedFile(): string {
    return path.join(this.folder, 'revoked.txt')
  }

  #clientFile(name: string): string {
    // It names a file, on Windows too.
    if (!/^[A-Za-z0-9][A-Za-z0-9@_-]*(?:\.[A-Za-z0-9@_-]+)*$/.test(name) || name.length > 64)
      throw new KhlongError(
        'KHLONG_USAGE',
        `expected a name of up to 64 letters, digits, and . @ _ - between them, found ${name}`,
      )
    return path.join(this.folder, 'clients', name)
  }

  async #issue(
    kind: 'server' | 'client',
    file: string,
    commonName: string,
    hosts: readonly string[],
    days: number,
  ): Promise<IssuedFiles> {
    if (!Number.isInteger(days) || days < 1 || days > 36_500)
      throw new KhlongError('KHLONG_USAGE', 'expected 1 to 36500 days')
    const { privateKey, publicKey } = newKeys()
    const fields = { kind, commonName, publicKey, hosts, ...life(days) }
    const der = makeCertificate(fields, this.#signer)
    await writeKey(`${file}.key`, privateKey)
    await writeFile(`${file}.crt`, pem('CERTIFICATE', der))
    return { certificate: `${file}.crt`, key: `${file}.key` }
  }

  async #readRevoked(): Promise<{ serial: string; at: Date }[]> {
    const text = await readFile(this.#revokedFile, 'utf8').catch(() => '')
    return text
      .split('\n')
      .map((line) => line.trim().split(' '))
      .filter(([serial]) => serial)
      .map(([serial, at]) => ({ serial: serial!, at: new Date(at!) }))
  }

  async #writeRevoked(list: readonly { serial: string; at: Date }[]): Promise<void> {
    const lines = list.map(({ serial, at }) => `${serial} ${at.toISOString()}\n`)
    await mkdir(this.folder, { recursive: true })
    await writeFile(this.#revokedFile, lines.join(''))
    // A list that is too old counts as none at all; this one lasts as long as its authority.
    const { notBefore, notAfter } = life(authorityDays)
    const number = list.length + 1
    const der = makeRevocationList(list, number, notBefore, notAfter, this.#signer)
    await writeFile(this.#listFile, pem('X509 CRL', der))
  }
}

/** By what this machine is reached in its network: its name, and its addresses. */
export function ownHosts(): string[] {
  const name = os.hostname().toLowerCase()
  const isName = /^[a-z0-9.-]+$/.test(name)
  const addresses = Object.values(os.networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith('fe80'))
    .map(({ address }) => address)
  const names = isName ? [name, ...(name.includes('.') ? [] : [`${name}.local`])] : []
  return [...new Set(['localhost', ...names, '127.0.0.1', '::1', ...addresses])]
}

function newKeys(): { privateKey: KeyObject; publicKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

function life(days: number): { notBefore: Date; notAfter: Date } {
  const now = Date.now()
  return { notBefore: new Date(now - earlierMs), notAfter: new Date(now + days * dayMs) }
}

async function writeKey(file: string, key: KeyObject): Promise<void> {
  // For its owner only; Windows goes by the folder.
  await rm(file, { force: true })
  await writeFile(file, key.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' })
}
