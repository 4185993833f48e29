import {
  formatScramCredential,
  isScramMechanism,
  parseScramCredential,
} from '@khlong/kafka-protocol/security'
import type { CredentialChange, UserCredentials } from '../security/scram-credentials.ts'

/** The credentials among a user's settings, which have those of quotas beside them. */
export function readCredentials(texts: Readonly<Record<string, string>>): UserCredentials {
  return new Map(
    Object.entries(texts).flatMap(([name, text]) => {
      const credential = isScramMechanism(name) ? parseScramCredential(text) : undefined
      return isScramMechanism(name) && credential ? [[name, credential] as const] : []
    }),
  )
}

/** A user's settings with one credential changed. */
export function changeCredential(
  texts: Readonly<Record<string, string>>,
  { mechanism, credential }: CredentialChange,
): Record<string, string> {
  const { [mechanism]: _replaced, ...kept } = texts
  return credential ? { ...kept, [mechanism]: formatScramCredential(credential) } : kept
}
