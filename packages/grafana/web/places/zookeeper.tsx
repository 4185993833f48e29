import { partOf } from '../../src/model/flow-rates.ts'
import { useText } from '../i18n/index.ts'
import { ApiError, ask } from '../lib/api.ts'
import { bytesText, dateTimeText } from '../lib/format.ts'
import { snapshotStore } from '../lib/live.ts'
import { useQuery } from '../lib/query.ts'
import { hrefTo, Link } from '../lib/router.tsx'
import { useStore } from '../lib/store.ts'
import { Empty, PlaceFace, Tag } from '../ui/faces.tsx'
import { Icon } from '../ui/icons.tsx'
import { PartFacts } from '../ui/part-facts.tsx'
import { useTitle } from '../ui/place-title.ts'
import { scrolls } from '../ui/scrolls.ts'

interface Znode {
  readonly path: string
  readonly children: string[]
  readonly childrenTotal: number
  readonly text: string
  readonly isText: boolean
  readonly bytes: number
  readonly stat: Record<string, number | string>
  readonly acls: { scheme: string; id: string; permissions: string }[]
}

/** What does the cluster know? The tree of znodes with data, stat and ACL. */
export function ZooKeeperPlace({ rest }: { rest: string[] }) {
  const text = useText()
  useTitle('ZooKeeper')
  const path = `/${rest.filter((step) => step !== '').join('/')}`
  const part = partOf(useStore(snapshotStore), 'zookeeper')
  const answer = useQuery(
    `zookeeper ${path}`,
    (signal) => ask<Znode>(`/-/zookeeper/node?path=${encodeURIComponent(path)}`, { signal }),
    3_000,
  )
  const steps = path === '/' ? [] : path.slice(1).split('/')
  const node = answer.data
  const isGone = answer.error instanceof ApiError && answer.error.status === 404
  return (
    <>
      <header className="place-head">
        <h1>ZooKeeper</h1>
      </header>
      <PartFacts part={part} />
      <nav className="crumbs mono" aria-label={text('znodeTree')}>
        <Link to={zpath('/')}>/</Link>
        {steps.map((step, index) => (
          <span key={`${index}${step}`}>
            {index > 0 && <i>/</i>}
            <Link to={zpath(`/${steps.slice(0, index + 1).join('/')}`)}>{step}</Link>
          </span>
        ))}
      </nav>
      {!node || isGone ? (
        <PlaceFace
          part="ZooKeeper"
          setting="grafana: { zookeeper: 127.0.0.1:2181 }"
          error={answer.error}
          onRetry={answer.retry}
        />
      ) : (
        <div className="two-columns tree-first">
          <section className="panel" aria-label={text('znodeTree')}>
            <h2 className="panel-title">{text('znodeChildren', { count: node.childrenTotal })}</h2>
            <ul className="tree">
              {path !== '/' && (
                <li>
                  <Link to={zpath(path.slice(0, path.lastIndexOf('/')) || '/')}>
                    <Icon name="up" size={14} /> ..
                  </Link>
                </li>
              )}
              {node.children.map((child) => (
                <li key={child}>
                  <Link to={zpath(path === '/' ? `/${child}` : `${path}/${child}`)}>
                    <Icon name="folder" size={14} /> {child}
                  </Link>
                </li>
              ))}
            </ul>
          </section>
          <section className="panel pad stack" aria-label={text('znodeData')}>
            <header>
              <h2>{text('znodeData')}</h2>
              <small>{bytesText(node.bytes)}</small>
            </header>
            {node.bytes === 0 ? (
              <Empty title={text('znodeEmpty')} />
            ) : (
              <pre className="code" {...scrolls}>
                {pretty(node.text)}
              </pre>
            )}
            {!node.isText && <p className="hint">{text('znodeBinary')}</p>}
            <h3>{text('znodeStat')}</h3>
            <dl className="pairs">
              {Object.entries(node.stat).map(([name, value]) => (
                <div key={name}>
                  <dt className="mono">{name}</dt>
                  <dd>
                    {name === 'ctime' || name === 'mtime'
                      ? dateTimeText(Number(value))
                      : String(value)}
                  </dd>
                </div>
              ))}
            </dl>
            <h3>{text('znodeAcl')}</h3>
            <div className="row">
              {node.acls.map((acl) => (
                <Tag key={`${acl.scheme}${acl.id}`}>
                  {acl.scheme}:{acl.id} {acl.permissions}
                </Tag>
              ))}
            </div>
          </section>
        </div>
      )}
    </>
  )
}

function zpath(path: string): string {
  return hrefTo(
    `/zookeeper${path === '/' ? '' : path.split('/').map(encodeURIComponent).join('/')}`,
  )
}

function pretty(data: string): string {
  try {
    return JSON.stringify(JSON.parse(data), null, 2)
  } catch {
    return data
  }
}
