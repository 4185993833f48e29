import { isEqualSecret } from '@khlong/core'
import { AuthenticationError } from './authentication-error.ts'

/**
 * The server's side of SASL PLAIN (RFC 4616): gives the name of the user whose password was sent.
 *
 * @throws AuthenticationError
 */
export function loginPlain(message: Buffer, users: ReadonlyMap<string, string>): string {
  const [authorizationId = '', username = '', password = '', ...rest] = message
    .toString('utf8')
    .split('\0')
  if (rest.length > 0 || username === '' || password === '') throw new AuthenticationError()
  const expected = users.get(username)
  // As long for a user that is not there.
  const isRight = isEqualSecret(password, expected ?? '')
  if (!isRight || expected === undefined)
    throw new AuthenticationError('Authentication failed: Invalid username or password')
  if (authorizationId !== '' && authorizationId !== username)
    throw new AuthenticationError(
      'Authentication failed: Client requested an authorization id that is different from username',
    )
  return username
}
