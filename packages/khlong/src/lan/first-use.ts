import path from 'node:path'
import { type Logger, newPassword } from '@khlong/core'
import { AccessStore, AuditLog } from '@khlong/core/access'
import { type Pipeline, partSettings } from '../config/pipeline.ts'
import { ownAccessKey } from '../devices/broker-access.ts'
import { DeviceRegistry } from '../devices/device-registry.ts'

/** What was made for the first use on a network; shown once and stored hashed. */
export interface FirstUse {
  readonly administrator?: { readonly name: string; readonly password: string }
  readonly device?: { readonly name: string; readonly secret: string }
}

/**
 * Makes an administrator where there are no users, and a device where there are none: on a network
 * nobody gets in without a name.
 */
export async function makeFirstUse(pipeline: Pipeline, logger: Logger): Promise<FirstUse> {
  const mqtt = partSettings(pipeline, 'mqtt')
  const hasBroker = mqtt !== false && mqtt?.url === undefined && !ownAccessKey(mqtt ?? {})
  const administrator = await firstAdministrator(pipeline, logger)
  const device = hasBroker ? await firstDevice(pipeline) : undefined
  return { ...(administrator ? { administrator } : {}), ...(device ? { device } : {}) }
}

/** The folder of the people who may log in to the console. */
export function accessFolder(pipeline: Pipeline): string {
  const grafana = partSettings(pipeline, 'grafana')
  const written = grafana ? grafana.access : undefined
  return typeof written === 'string'
    ? path.resolve(pipeline.folder, written)
    : path.join(pipeline.data, 'access')
}

async function firstAdministrator(
  pipeline: Pipeline,
  logger: Logger,
): Promise<FirstUse['administrator']> {
  const grafana = partSettings(pipeline, 'grafana')
  if (grafana === false || grafana?.url !== undefined) return undefined
  const folder = accessFolder(pipeline)
  const store = new AccessStore({ folder, logger })
  await store.open()
  try {
    if (store.hasUsers) return undefined
    const password = newPassword()
    const { name } = await store.addFirstAdministrator({ name: 'admin', password })
    const audit = new AuditLog({ folder, part: 'cli' })
    audit.add({
      who: 'khlong up',
      kind: 'command line',
      from: '',
      action: 'user.add',
      target: name,
      status: 0,
      detail: 'administrator',
    })
    await audit.flush()
    return { name, password }
  } finally {
    await store.close()
  }
}

async function firstDevice(pipeline: Pipeline): Promise<FirstUse['device']> {
  const registry = new DeviceRegistry(pipeline.data)
  if ((await registry.list()).length > 0) return undefined
  const { device, secret } = await registry.add({ name: 'device-1', place: '1' })
  return { name: device.name, secret }
}
