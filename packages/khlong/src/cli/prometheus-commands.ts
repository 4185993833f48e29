import { CodedError } from '@khlong/core'
import type { Command } from 'commander'
import { authorizationHeaders } from './credentials.ts'

interface Answer {
  status: string
  error?: string
  data?: {
    resultType: string
    result: { metric: Record<string, string>; value: [number, string] }[]
  }
}

/** `khlong promql EXPR`. */
export function addPrometheusCommands(program: Command): void {
  program
    .command('promql')
    .description('evaluate a PromQL expression now')
    .argument('<expression>')
    .option('--url <url>', 'the Prometheus', 'http://127.0.0.1:9090')
    .option('--json', 'print the API’s own answer')
    .action(async (expression: string, { url, json }: { url: string; json?: boolean }) => {
      const response = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(expression)}`, {
        headers: authorizationHeaders(),
      })
      const answer = (await response.json()) as Answer
      if (answer.status !== 'success' || !answer.data)
        throw new CodedError('PROMQL_REFUSED', answer.error ?? `status ${response.status}`)
      if (json) process.stdout.write(`${JSON.stringify(answer)}\n`)
      else if (answer.data.resultType !== 'vector')
        process.stdout.write(`${JSON.stringify(answer.data.result)}\n`)
      else
        for (const { metric, value } of answer.data.result) {
          const { __name__: name = '', ...labels } = metric
          const text = Object.entries(labels).map(([label, text]) => `${label}="${text}"`)
          process.stdout.write(`${name}{${text.join(', ')}} ${value[1]}\n`)
        }
    })
}
