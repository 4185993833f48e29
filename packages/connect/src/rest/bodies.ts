import type { ConfigMap } from '../config/fields.ts'
import { ConnectError } from '../errors.ts'
import type { TargetState } from '../storage/config-store.ts'

// Java's workers answer 500 to a body that their JSON library cannot read; so do we.
const unreadable = (message: string): ConnectError => new ConnectError('CONNECT_FAILED', message)

export function parseBody(text: string): unknown {
  if (text.trim() === '') return undefined
  try {
    return JSON.parse(text)
  } catch (error) {
    throw unreadable((error as Error).message)
  }
}

/** A configuration: numbers and booleans become text, as in Java. */
export function readConfig(body: unknown): ConfigMap {
  return Object.fromEntries(
    Object.entries(readPatch(body)).filter((entry): entry is [string, string] => entry[1] !== null),
  )
}

/** Changes of a configuration, in which null takes an option away. */
export function readPatch(body: unknown): Record<string, string | null> {
  if (body === null || typeof body !== 'object' || Array.isArray(body))
    throw unreadable('Expected a JSON object with the configuration of the connector')
  return Object.fromEntries(
    Object.entries(body).map(([name, value]: [string, unknown]) => {
      if (value === null || typeof value === 'string') return [name, value]
      if (typeof value === 'number' || typeof value === 'boolean') return [name, String(value)]
      throw unreadable(`Cannot deserialize value of type \`java.lang.String\` at option ${name}`)
    }),
  )
}

const initialStates: Readonly<Record<string, TargetState>> = {
  RUNNING: 'STARTED',
  PAUSED: 'PAUSED',
  STOPPED: 'STOPPED',
}

/** The body of `POST /connectors`. */
export function readCreation(body: unknown): {
  name: string
  config: ConfigMap
  target: TargetState
} {
  if (body === null || typeof body !== 'object')
    throw unreadable('Expected a JSON object with name and config')
  const {
    name = '',
    config,
    initial_state: state = 'RUNNING',
    ...others
  } = body as Record<string, unknown>
  const stranger = Object.keys(others)[0]
  if (stranger !== undefined)
    throw unreadable(
      `Unrecognized field "${stranger}" (class org.apache.kafka.connect.runtime.rest.entities.CreateConnectorRequest), not marked as ignorable (3 known properties: "config", "name", "initial_state")`,
    )
  const target = initialStates[String(state).toUpperCase()]
  if (!target) throw unreadable(`Unknown initial_state ${String(state)}`)
  return { name: String(name).trim(), config: readConfig(config), target }
}

/** @throws ConnectError `CONNECT_BAD_REQUEST` where the configuration names another connector. */
export function checkName(name: string, config: ConfigMap): void {
  const own = config.name
  if (own !== undefined && own !== name)
    throw new ConnectError(
      'CONNECT_BAD_REQUEST',
      `Connector name configuration (${own}) doesn't match connector name in the URL (${name})`,
    )
}
