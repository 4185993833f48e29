import type { CommandNow } from '../../../src/model/commands.ts'
import { useText } from '../../i18n/index.ts'
import { commandLevels, outcomeOf } from '../../lib/commands.ts'
import { duration } from '../../lib/duration.ts'
import { StateMark } from '../../ui/state-mark.tsx'

/** What became of a command, in a word, with how long its device took or why it did not. */
export function CommandStateLabel({ command }: { command: CommandNow }) {
  const text = useText()
  const outcome = outcomeOf(command)
  const { acknowledged, timestamp, error } = command
  // The command of a rule counts from its window's end, before which nothing can be answered.
  const tookMs = acknowledged === undefined ? undefined : Math.max(1, acknowledged - timestamp)
  return (
    <span className={`state-label ${outcome === 'refused' ? 'critical' : ''}`}>
      <StateMark level={commandLevels[outcome]} /> {text(`commandState_${outcome}`)}
      {error !== undefined && <small> {error}</small>}
      {error === undefined && tookMs !== undefined && <small> {duration(tookMs)}</small>}
    </span>
  )
}

/** What a command says, short: `fan seconds=60`. */
export function commandText({ action, params }: Pick<CommandNow, 'action' | 'params'>): string {
  const words = Object.entries(params).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  return [action, ...words].join(' ')
}
