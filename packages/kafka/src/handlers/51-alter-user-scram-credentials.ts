// AlterUserScramCredentials v0 (KIP-554): all changes of a user are made, or none.
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  type AlterUserScramCredentialsRequest,
  type AlterUserScramCredentialsResultInput,
  decodeAlterUserScramCredentialsRequest,
  encodeAlterUserScramCredentialsResponse,
  type ScramCredentialDeletion,
  type ScramCredentialUpsertion,
} from '@khlong/kafka-protocol/messages/alter-user-scram-credentials'
import {
  isScramMechanism,
  type ScramMechanism,
  scramCredential,
  scramIterationsMax,
  scramIterationsMin,
  scramMechanisms,
} from '@khlong/kafka-protocol/security'
import type { CredentialChange, ScramCredentials } from '../security/scram-credentials.ts'
import { wireError, wireMessage } from '../server/wire-errors.ts'
import { AclOperation } from '../state/acls.ts'
import { mayCluster } from './access.ts'
import { defineHandler, type Handler, type RequestContext } from './handler.ts'

export const alterUserScramCredentials: Handler = defineHandler({
  key: ApiKey.alterUserScramCredentials,
  decode: decodeAlterUserScramCredentialsRequest,
  encode: encodeAlterUserScramCredentialsResponse,
  async handle(request, context) {
    const isAllowed = mayCluster(context, AclOperation.alter)
    const users = new Set([...request.upsertions, ...request.deletions].map(({ name }) => name))
    const results: AlterUserScramCredentialsResultInput[] = []
    for (const user of users)
      results.push(
        isAllowed
          ? await alter(user, request, context)
          : {
              user,
              errorCode: ErrorCode.clusterAuthorizationFailed,
              errorMessage: 'Cluster authorization failed.',
            },
      )
    return { results }
  },
})

interface Problem {
  readonly errorCode: number
  readonly errorMessage: string
}

async function alter(
  user: string,
  { upsertions, deletions }: AlterUserScramCredentialsRequest,
  { broker }: RequestContext,
): Promise<AlterUserScramCredentialsResultInput> {
  const upserted = upsertions.filter(({ name }) => name === user)
  const deleted = deletions.filter(({ name }) => name === user)
  const types = [...upserted, ...deleted].map(({ mechanism }) => mechanism)
  const problem =
    problemOfUser(user, types) ??
    upserted.map(problemOfUpsertion).find(Boolean) ??
    deleted.map((deletion) => problemOfDeletion(deletion, broker.credentials)).find(Boolean)
  if (problem) return { user, ...problem }
  try {
    await broker.metadata.changeCredentials([
      ...upserted.map(upsertion),
      ...deleted.map(({ mechanism }) => ({
        username: user,
        mechanism: mechanismOf(mechanism)!,
        credential: undefined,
      })),
    ])
    return { user }
  } catch (error) {
    return { user, errorCode: wireError(error), errorMessage: wireMessage(error) }
  }
}

function problemOfUser(user: string, types: readonly number[]): Problem | undefined {
  if (user === '')
    return {
      errorCode: ErrorCode.unacceptableCredential,
      errorMessage: 'Username must not be empty',
    }
  if (types.some((type) => !mechanismOf(type)))
    return {
      errorCode: ErrorCode.unsupportedSaslMechanism,
      errorMessage: 'Unknown SCRAM mechanism',
    }
  if (new Set(types).size < types.length)
    return {
      errorCode: ErrorCode.duplicateResource,
      errorMessage: 'A user credential cannot be altered twice in the same request',
    }
  return undefined
}

function problemOfUpsertion({
  mechanism,
  iterations,
  salt,
  saltedPassword,
}: ScramCredentialUpsertion): Problem | undefined {
  const unacceptable = (errorMessage: string): Problem => ({
    errorCode: ErrorCode.unacceptableCredential,
    errorMessage,
  })
  if (iterations < scramIterationsMin) return unacceptable('Too few iterations')
  if (iterations > scramIterationsMax) return unacceptable('Too many iterations')
  if (salt.byteLength === 0) return unacceptable('The salt must not be empty')
  const { digestBytes } = scramMechanisms[mechanismOf(mechanism)!]
  return saltedPassword.byteLength === digestBytes
    ? undefined
    : unacceptable(`The salted password must have ${digestBytes} bytes`)
}

function problemOfDeletion(
  { name, mechanism }: ScramCredentialDeletion,
  credentials: ScramCredentials,
): Problem | undefined {
  if (credentials.find(mechanismOf(mechanism)!, name)) return undefined
  return {
    errorCode: ErrorCode.resourceNotFound,
    errorMessage: 'Attempt to delete a user credential that does not exist',
  }
}

function upsertion(wanted: ScramCredentialUpsertion): CredentialChange {
  const mechanism = mechanismOf(wanted.mechanism)!
  const { name, saltedPassword, salt, iterations } = wanted
  return {
    username: name,
    mechanism,
    credential: scramCredential(mechanism, saltedPassword, salt, iterations),
  }
}

function mechanismOf(type: number): ScramMechanism | undefined {
  return Object.keys(scramMechanisms)
    .filter(isScramMechanism)
    .find((name) => scramMechanisms[name].type === type)
}
