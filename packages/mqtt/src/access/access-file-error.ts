import { SettingsError } from '@khlong/core'

/** A line of a password, access or configuration file that cannot be used. */
export function lineError(file: string, line: number, what: string, key?: string): SettingsError {
  const where = key === undefined ? '' : `${key}: `
  return new SettingsError(`${file}:${line}: ${where}${what}`, {
    file,
    line,
    ...(key === undefined ? {} : { key }),
  })
}
