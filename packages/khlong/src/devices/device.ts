import { KhlongError } from '../errors.ts'

/*
 * The devices of a pipeline as a value: every change gives a new list, and none knows of files,
 * clocks or sockets. Invariants: names are unique whatever their case, and in the form of
 * `checkDeviceName`, so that a name is a username, a level of a topic and a word of a sketch as it is.
 */

/** A device: who it is, what is expected of it, and how it is known. */
export interface Device {
  /** Its username for MQTT, and its level in `devices/NAME/…`. */
  readonly name: string
  /** What its frames carry as `id`. */
  readonly id: string
  /** What its frames carry as `place_id`. */
  readonly place: string
  readonly kind?: string | undefined
  /** Frames a second that it is expected to send. */
  readonly rate?: number | undefined
  /** As mosquitto_passwd writes it; the secret itself is not kept. */
  readonly password: string
  readonly createdMs: number
  readonly passwordChangedMs: number
  /** Devices that it may tell something, directly over the broker. */
  readonly mayCommand?: readonly string[] | undefined
  /** Since when it may no longer log in. */
  readonly revokedMs?: number | undefined
}

/** What a person says of a new device. */
export interface DeviceGiven {
  readonly name: string
  readonly id?: string | undefined
  readonly place: string
  readonly kind?: string | undefined
  readonly rate?: number | undefined
}

/** The first account of the platform itself; no device may have it. */
export const internalUsername = 'khlong-internal'
/** More than a small board looks after; files are read and written whole. */
export const devicesMax = 10_000
const rateMax = 10_000
/** Each is two lines of the access file. */
const mayCommandMax = 100

/** @throws KhlongError `KHLONG_DEVICE_INVALID` */
export function checkDeviceName(name: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name))
    throw invalid(
      `a device's name has 1 to 64 letters, digits and . _ - and begins with a letter or a digit, found ${JSON.stringify(name.slice(0, 80))}`,
    )
  if (/^khlong-/i.test(name)) throw invalid(`names that begin with khlong- are the pipeline's own`)
  return name
}

/** @throws KhlongError `KHLONG_DEVICE_INVALID` */
export function checkDevice(given: DeviceGiven): DeviceGiven {
  const name = checkDeviceName(given.name)
  const { id = name, place, kind, rate } = given
  for (const [what, value] of Object.entries({ id, place, kind }))
    if (value !== undefined && !/^[\p{L}\p{N}][\p{L}\p{M}\p{N} ._-]{0,63}$/u.test(value))
      throw invalid(
        `${name}: ${what} has 1 to 64 letters, digits, spaces and . _ - and begins with a letter or a digit, found ${JSON.stringify(value.slice(0, 80))}`,
      )
  if (rate !== undefined && !(rate > 0 && rate <= rateMax))
    throw invalid(`${name}: rate is frames a second, above 0 and up to ${rateMax}`)
  return { name, id, place, kind, rate }
}

/** The device of that name. @throws KhlongError `KHLONG_DEVICE_UNKNOWN` */
export function requireDevice(devices: readonly Device[], name: string): Device {
  const device = devices.find((each) => each.name === name)
  if (!device)
    throw new KhlongError(
      'KHLONG_DEVICE_UNKNOWN',
      `there is no device ${JSON.stringify(name)}; khlong device list says which there are`,
    )
  return device
}

/**
 * The name under which a device gets commands: people may know it by the id of its frames. What is in
 * no registry, as the demo fleet, has its id for a name.
 */
export function addressOf(devices: readonly Device[], named: string): string {
  if (devices.some(({ name }) => name === named)) return named
  const withId = devices.filter(({ id }) => id === named)
  return withId.length === 1 ? withId[0]!.name : named
}

/** @throws KhlongError `KHLONG_DEVICE_EXISTS`, `KHLONG_DEVICE_INVALID` */
export function addDevice(
  devices: readonly Device[],
  given: DeviceGiven,
  password: string,
  nowMs: number,
): readonly Device[] {
  const { name, id = given.name, place, kind, rate } = checkDevice(given)
  if (devices.some((each) => each.name.toLowerCase() === name.toLowerCase()))
    throw new KhlongError(
      'KHLONG_DEVICE_EXISTS',
      `there is a device ${name} already; khlong device rotate ${name} gives it a new secret`,
    )
  if (devices.length >= devicesMax) throw invalid(`there cannot be more than ${devicesMax} devices`)
  const device: Device = {
    name,
    id,
    place,
    ...(kind === undefined ? {} : { kind }),
    ...(rate === undefined ? {} : { rate }),
    password,
    createdMs: nowMs,
    passwordChangedMs: nowMs,
  }
  return [...devices, device]
}

/** Gives a device another password; one that was revoked may log in again. @throws KhlongError `KHLONG_DEVICE_UNKNOWN` */
export function withDevicePassword(
  devices: readonly Device[],
  name: string,
  password: string,
  nowMs: number,
): readonly Device[] {
  const { revokedMs: _, ...device } = requireDevice(devices, name)
  return devices.map((each) =>
    each.name === name ? { ...device, password, passwordChangedMs: nowMs } : each,
  )
}

/** The device stays, and may not log in. @throws KhlongError `KHLONG_DEVICE_UNKNOWN` */
export function revokeDevice(
  devices: readonly Device[],
  name: string,
  nowMs: number,
): readonly Device[] {
  const device = requireDevice(devices, name)
  return devices.map((each) =>
    each === device ? { ...device, revokedMs: device.revokedMs ?? nowMs } : each,
  )
}

/** @throws KhlongError `KHLONG_DEVICE_UNKNOWN` */
export function removeDevice(devices: readonly Device[], name: string): readonly Device[] {
  const device = requireDevice(devices, name)
  return devices
    .filter((each) => each !== device)
    .map((each) => (each.mayCommand?.includes(name) ? withoutCommand(each, name) : each))
}

/**
 * Lets a device publish commands to another and read its answers, or lets it no longer.
 *
 * @throws KhlongError `KHLONG_DEVICE_UNKNOWN`, `KHLONG_DEVICE_INVALID`
 */
export function allowCommand(
  devices: readonly Device[],
  name: string,
  other: string,
  isAllowed: boolean,
): readonly Device[] {
  const device = requireDevice(devices, name)
  requireDevice(devices, other)
  if (name === other) throw invalid(`${name} has what is its own already`)
  const { mayCommand = [] } = device
  if (isAllowed && mayCommand.length >= mayCommandMax)
    throw invalid(`${name} may tell ${mayCommandMax} others something, and no more`)
  const allowed = { ...device, mayCommand: [...new Set([...mayCommand, other])].sort() }
  return devices.map((each) =>
    each !== device ? each : isAllowed ? allowed : withoutCommand(device, other),
  )
}

function withoutCommand(device: Device, other: string): Device {
  const { mayCommand = [], ...rest } = device
  const left = mayCommand.filter((each) => each !== other)
  return left.length === 0 ? rest : { ...rest, mayCommand: left }
}

function invalid(message: string): KhlongError {
  return new KhlongError('KHLONG_DEVICE_INVALID', message)
}
