import { mkdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { newPassword } from '@khlong/core'
import { withLock, writeWhole } from '@khlong/core/access'
import {
  addDevice,
  allowCommand,
  checkDevice,
  type Device,
  type DeviceGiven,
  removeDevice,
  requireDevice,
  revokeDevice,
  withDevicePassword,
} from './device.ts'
import { decodeDevices, encodeDevices } from './device-file.ts'
import { accessFile, passwordFile } from './mosquitto-files.ts'

/** A device with the secret that is shown once. */
export interface DeviceSecret {
  readonly device: Device
  readonly secret: string
}

/** The files of a registry, below the pipeline's data. */
export function deviceFiles(data: string): { folder: string; passwords: string; access: string } {
  const folder = path.join(data, 'devices')
  return { folder, passwords: path.join(folder, 'passwd'), access: path.join(folder, 'acl') }
}

/** Secrets are random, so a guess need not be made dear; a board may log in often. */
const iterations = 1_000

/**
 * The devices of a pipeline: `devices.json` is the truth, and Mosquitto's `passwd` and `acl` beside it
 * are written from it. A change is made under a lock on what the file holds now; a broker that runs
 * reads the two files again by itself.
 */
export class DeviceRegistry {
  readonly #file: string
  readonly #lock: string
  readonly #files: ReturnType<typeof deviceFiles>
  #latest: { stamp: string; devices: readonly Device[] } | undefined

  /** @param data the pipeline's data folder; `devices` in it is made when something is written */
  constructor(data: string) {
    this.#files = deviceFiles(data)
    this.#file = path.join(this.#files.folder, 'devices.json')
    this.#lock = path.join(this.#files.folder, 'devices.lock')
  }

  /** @throws KhlongError `KHLONG_DEVICES_DAMAGED`, `KHLONG_DEVICES_NEWER` */
  async list(): Promise<readonly Device[]> {
    const text = await readFile(this.#file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    return text === undefined ? [] : decodeDevices(text, this.#file)
  }

  /** The same, and the file is read only where it is another one: for whoever looks again and again. */
  async listAgain(): Promise<readonly Device[]> {
    const found = await stat(this.#file).catch(() => undefined)
    const stamp = found ? `${found.ino} ${found.mtimeMs} ${found.size}` : ''
    if (this.#latest?.stamp !== stamp) this.#latest = { stamp, devices: await this.list() }
    return this.#latest.devices
  }

  /** @throws KhlongError `KHLONG_DEVICE_UNKNOWN` */
  async find(name: string): Promise<Device> {
    return requireDevice(await this.list(), name)
  }

  /** Adds a device; its secret is not kept. @throws KhlongError `KHLONG_DEVICE_EXISTS`, `KHLONG_DEVICE_INVALID` */
  async add(given: DeviceGiven): Promise<DeviceSecret> {
    const [added] = await this.import([given])
    return added!
  }

  /** Adds all of them or none. @throws KhlongError `KHLONG_DEVICE_EXISTS`, `KHLONG_DEVICE_INVALID` */
  async import(given: readonly DeviceGiven[]): Promise<readonly DeviceSecret[]> {
    // What cannot be is said before hashes are computed.
    for (const each of given) checkDevice(each)
    // One after the other: all at once they would keep a broker of this process from its disk.
    const fresh: { secret: string; password: string }[] = []
    for (const _ of given) fresh.push(await freshSecret())
    const devices = await this.#change((before) =>
      given.reduce(
        (all, each, index) => addDevice(all, each, fresh[index]!.password, Date.now()),
        before,
      ),
    )
    return given.map(({ name }, index) => ({
      device: requireDevice(devices, name),
      secret: fresh[index]!.secret,
    }))
  }

  /** Gives a device a new secret; the old one counts no longer, and a revoked device is back. @throws KhlongError `KHLONG_DEVICE_UNKNOWN` */
  async rotate(name: string): Promise<DeviceSecret> {
    const { secret, password } = await freshSecret()
    const devices = await this.#change((before) =>
      withDevicePassword(before, name, password, Date.now()),
    )
    return { device: requireDevice(devices, name), secret }
  }

  /** Ends what a device may do; it stays in the list. @throws KhlongError `KHLONG_DEVICE_UNKNOWN` */
  async revoke(name: string): Promise<void> {
    await this.#change((before) => revokeDevice(before, name, Date.now()))
  }

  /** @throws KhlongError `KHLONG_DEVICE_UNKNOWN` */
  async remove(name: string): Promise<void> {
    await this.#change((before) => removeDevice(before, name))
  }

  /**
   * Lets a device give another one commands directly, or lets it no longer.
   *
   * @throws KhlongError `KHLONG_DEVICE_UNKNOWN`, `KHLONG_DEVICE_INVALID`
   */
  async allowCommand(name: string, other: string, isAllowed: boolean): Promise<void> {
    await this.#change((before) => allowCommand(before, name, other, isAllowed))
  }

  /** Writes Mosquitto's files where they are not what the registry says. */
  async writeMosquittoFiles(): Promise<void> {
    await withLock(this.#lock, async () => this.#writeMosquittoFiles(await this.list()))
  }

  async #change(
    change: (before: readonly Device[]) => readonly Device[],
  ): Promise<readonly Device[]> {
    return withLock(this.#lock, async () => {
      const after = change(await this.list())
      await mkdir(this.#files.folder, { recursive: true, mode: 0o700 })
      await writeWhole(this.#file, encodeDevices(after))
      await this.#writeMosquittoFiles(after)
      return after
    })
  }

  /** Rules first: a device that comes the moment it has a password must find them. */
  async #writeMosquittoFiles(devices: readonly Device[]): Promise<void> {
    await writeChanged(this.#files.access, accessFile(devices))
    await writeChanged(this.#files.passwords, passwordFile(devices))
  }
}

async function freshSecret(): Promise<{ secret: string; password: string }> {
  const { hashPassword } = await import('@khlong/mqtt')
  const secret = newPassword()
  return { secret, password: await hashPassword(secret, iterations) }
}

async function writeChanged(file: string, text: string): Promise<void> {
  const isThere = await stat(file).catch(() => undefined)
  if (isThere && (await readFile(file, 'utf8')) === text) return
  await writeWhole(file, text)
}
