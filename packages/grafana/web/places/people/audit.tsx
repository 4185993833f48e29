import { useState } from 'react'
import type { AuditLine } from '../../../src/model/people.ts'
import { type TextKey, useText } from '../../i18n/index.ts'
import { ask } from '../../lib/api.ts'
import { useQuery } from '../../lib/query.ts'
import { useParam } from '../../lib/router.tsx'
import { Empty, PlaceFace, Tag } from '../../ui/faces.tsx'
import { FilterField } from '../../ui/filter-field.tsx'
import { ListPanel } from '../../ui/list-panel.tsx'
import { type Level, StateMark } from '../../ui/state-mark.tsx'
import { Since } from './moments.tsx'

const kinds: readonly { id: string; name: TextKey }[] = [
  { id: '', name: 'auditAll' },
  { id: 'changes', name: 'auditChanges' },
  { id: 'logins', name: 'auditLogins' },
]
const shownMax = 200

/** What was changed, by whom, from where, and how it ended; newest first. */
export function Audit() {
  const text = useText()
  const [filter, setFilter] = useParam('q')
  const [kind, setKind] = useParam('kind')
  const [beforeMs, setBeforeMs] = useState(0)
  const { data, error, retry } = useQuery(
    `audit ${beforeMs}`,
    (signal) =>
      ask<{ lines: AuditLine[] }>(`/-/access/audit${beforeMs > 0 ? `?before=${beforeMs}` : ''}`, {
        signal,
      }),
    beforeMs > 0 ? 0 : 5_000,
  )
  if (!data)
    return <PlaceFace part={text('peopleAudit')} setting="" error={error} onRetry={retry} />
  const words = filter.toLowerCase()
  const shown = data.lines
    .filter(({ action }) => kind === '' || (action === 'login') === (kind === 'logins'))
    .filter((line) =>
      [line.who, line.from, line.part, line.action, line.target, line.detail ?? '']
        .join(' ')
        .toLowerCase()
        .includes(words),
    )
    .slice(0, shownMax)
  return (
    <>
      <ListPanel
        label={text('peopleAudit')}
        isDense
        className="audit-table"
        head={
          <div className="toolbar">
            <FilterField label={text('filter')} value={filter} onChange={setFilter} />
            <div className="chips">
              {kinds.map(({ id, name }) => (
                <button
                  key={id}
                  type="button"
                  className="chip"
                  aria-pressed={kind === id}
                  onClick={() => setKind(id)}
                >
                  {text(name)}
                </button>
              ))}
            </div>
          </div>
        }
        columns={[
          text('auditWhat'),
          text('auditWho'),
          text('auditResult'),
          { figure: text('time') },
          text('auditFrom'),
        ]}
        empty={
          shown.length === 0 && (
            <Empty
              title={text(data.lines.length === 0 ? 'auditNone' : 'nothingMatches')}
              {...(data.lines.length === 0 ? { hint: text('auditNoneHint') } : {})}
            />
          )
        }
      >
        {shown.map((line, index) => (
          <tr key={`${line.atMs} ${line.part} ${shown.length - index}`}>
            <td className="wrap">
              <What line={line} />
            </td>
            <td>
              {line.who || <span className="quiet">{text('auditAnybody')}</span>}{' '}
              {(line.kind === 'token' || line.kind === 'command line') && (
                <Tag>{line.kind === 'token' ? 'token' : 'cli'}</Tag>
              )}
            </td>
            <td>
              <Result line={line} />
            </td>
            <td className="figure">
              <Since atMs={line.atMs} />
            </td>
            <td className="mono quiet">{line.from.replace('::ffff:', '')}</td>
          </tr>
        ))}
      </ListPanel>
      {(data.lines.length >= 500 || beforeMs > 0) && (
        <div className="row gap-top">
          <button
            type="button"
            className="button small"
            disabled={data.lines.length < 500}
            onClick={() => setBeforeMs(data.lines.at(-1)?.atMs ?? 0)}
          >
            {text('auditOlder')}
          </button>
        </div>
      )}
    </>
  )
}

/** The change as it was asked for; our own pages in a few words, everything else as method and path. */
function What({ line }: { line: AuditLine }) {
  const text = useText()
  if (line.action === 'login')
    return <>{text(line.status < 400 ? 'auditLogin' : 'auditLoginWrong')}</>
  return (
    <>
      <span className="audit-action">{line.action}</span>{' '}
      <span className="mono">{line.target}</span>{' '}
      {line.detail && <span className="quiet">{line.detail}</span>}{' '}
      {line.part !== 'grafana' && <Tag>{line.part}</Tag>}
    </>
  )
}

function Result({ line }: { line: AuditLine }) {
  const text = useText()
  const { status } = line
  const [level, key]: [Level, TextKey] =
    status < 400
      ? ['ok', 'auditDone']
      : status === 401 || status === 403
        ? ['warn', 'auditRefused']
        : ['critical', 'auditFailed']
  return (
    <span className={`state-label ${level === 'ok' ? '' : level}`}>
      <StateMark level={level} /> {text(key)} {level !== 'ok' && <small>{status}</small>}
    </span>
  )
}
