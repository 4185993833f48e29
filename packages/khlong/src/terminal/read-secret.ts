import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'

/**
 * Asks for a secret on the terminal without showing it; where there is no terminal, takes the first
 * line of standard input.
 */
export async function readSecret(question: string): Promise<string> {
  const isTerminal = process.stdin.isTTY === true
  if (isTerminal) process.stderr.write(question)
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: isTerminal })
  try {
    const answered = once(lines, 'line') as Promise<[string]>
    const ended = once(lines, 'close').then((): [string] => [''])
    const [line] = await Promise.race([answered, ended])
    return line
  } finally {
    lines.close()
    if (isTerminal) process.stderr.write('\n')
  }
}
