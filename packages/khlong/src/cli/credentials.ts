/** What the command line shows to an API that asks who is there: the token in `KHLONG_TOKEN`. */
export function authorizationHeaders(): Record<string, string> {
  const token = process.env.KHLONG_TOKEN
  return token ? { authorization: `Bearer ${token}` } : {}
}
