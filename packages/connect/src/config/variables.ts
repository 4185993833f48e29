import { ConnectError } from '../errors.ts'
import type { ConfigMap } from './fields.ts'

/** Variables by name, as the environment config provider of KIP-887 sees them. */
export type Variables = Readonly<Record<string, string | undefined>>

const reference = /\$\{([^}:]*):(?:([^}:]*):)?([^}]*)\}/g

/**
 * Replaces `${env:NAME}`. Like Java, text that names no configured provider stays as it is.
 * REST shows the text with its references; only tasks and validation see what they stand for.
 *
 * @throws ConnectError `CONNECT_CONFIG` where a variable is not set.
 */
export function resolveVariables(
  config: ConfigMap,
  providers: ReadonlySet<string>,
  variables: Variables,
): ConfigMap {
  const resolved: Record<string, string> = {}
  for (const [name, text] of Object.entries(config))
    resolved[name] = text.includes('${') ? resolveText(name, text, providers, variables) : text
  return resolved
}

function resolveText(
  option: string,
  text: string,
  providers: ReadonlySet<string>,
  variables: Variables,
): string {
  return text.replace(reference, (whole, provider: string, _path: string, key: string) => {
    if (!providers.has(provider)) return whole
    const value = variables[key]
    if (value === undefined)
      throw new ConnectError(
        'CONNECT_CONFIG',
        `${option}: the environment has no variable ${key}, which ${whole} asks for`,
      )
    return value
  })
}
