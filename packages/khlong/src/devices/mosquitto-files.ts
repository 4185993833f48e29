import type { Device } from './device.ts'

/** The MQTT topic of frames; the pipeline's source connector subscribes to it. */
export const frameTopic = 'iot-frames'

/** Mosquitto's `password_file`: every device that may log in. */
export function passwordFile(devices: readonly Device[]): string {
  const lines = devices
    .filter(({ revokedMs }) => revokedMs === undefined)
    .map(({ name, password }) => `${name}:${password}`)
  return `# Written from devices.json; change devices by: khlong device\n${lines.map((line) => `${line}\n`).join('')}`
}

/**
 * Mosquitto's `acl_file`. A device sends frames, which all share one topic, and has everything below
 * `devices/NAME` for itself; to others it may give commands that it has leave for. Its own rules are patterns, so the file says the same for any devices.
 *
 * Rules before the first user are for clients without a name, whom `allow_anonymous` lets in on
 * loopback only.
 */
export function accessFile(devices: readonly Device[]): string {
  const users = devices
    .filter(({ revokedMs }) => revokedMs === undefined)
    .map(({ name, mayCommand = [] }) => {
      const others = mayCommand.flatMap((other) => [
        `topic write devices/${other}/commands\n`,
        `topic read devices/${other}/commands/ack\n`,
      ])
      return `user ${name}\ntopic write ${frameTopic}\n${others.join('')}\n`
    })
  return `# Written from devices.json; change devices by: khlong device
# Clients without a username; allow_anonymous decides whether there are any.
topic readwrite #
topic read $SYS/#

${users.join('')}# What is a device's own.
pattern readwrite devices/%u/#
`
}
