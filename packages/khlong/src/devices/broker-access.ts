import { isLoopback, parseListen } from '@khlong/core'
import { deviceFiles } from './device-registry.ts'

/** Settings of the broker by which a user decides over its clients without the registry. */
const ownAccessKeys = [
  'config_file',
  'password_file',
  'listeners',
  'per_listener_settings',
  'use_identity_as_username',
  'use_subject_as_username',
] as const

/** Which setting of the broker takes the place of the device registry; undefined where none does. */
export function ownAccessKey(written: Readonly<Record<string, unknown>>): string | undefined {
  return ownAccessKeys.find((key) => written[key] !== undefined)
}

/**
 * What the broker is told of the device registry: its two files, and that clients without a username
 * come in only where nobody but this machine reaches it. What the user wrote goes before.
 */
export function brokerAccess(
  written: Readonly<Record<string, unknown>>,
  listeners: Readonly<Record<string, string>>,
  data: string,
): Record<string, string | boolean> {
  if (ownAccessKey(written) !== undefined) return {}
  const { passwords, access } = deviceFiles(data)
  return {
    password_file: passwords,
    acl_file: access,
    allow_anonymous: Object.values(listeners).every((listen) =>
      isLoopback(parseListen(listen).host),
    ),
  }
}
