/** The configuration of a Swift that is one proxy and one server of each kind, on loopback. */
import { join } from 'node:path'

export const SWIFT_KEYS = { region: 'us-east-1', accessKeyId: 'test:tester', secretAccessKey: 'testing-secret' }

export type StorageKind = 'account' | 'container' | 'object'
export const STORAGE_KINDS: readonly StorageKind[] = ['account', 'container', 'object']

export type SwiftPorts = Record<StorageKind | 'proxy' | 'memcached', number>

export interface SwiftFilesOptions {
  directory: string
  ports: SwiftPorts
}

/** Name and text of each. */
export function swiftFiles({ directory, ports }: SwiftFilesOptions): Record<string, string> {
  const storage = STORAGE_KINDS.map((kind) => [
    `${kind}.conf`,
    `${common(directory, ports[kind])}${STORAGE.replaceAll('KIND', kind).replace('DEVICES', join(directory, 'srv'))}`,
  ])
  return {
    ...Object.fromEntries(storage),
    'proxy.conf': common(directory, ports.proxy) + PROXY.replace('MEMCACHED', String(ports.memcached)),
    'swift.conf': CLUSTER,
    'launch.py': LAUNCH,
    'rings.py': RINGS,
  }
}

// Without workers a server is one process, which can be stopped and killed as a whole. No syslog is at the address.
function common(directory: string, port: number): string {
  return `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port}
workers = 0
swift_dir = ${directory}
log_address = ${join(directory, 'no-syslog')}
`
}

const STORAGE = `devices = DEVICES
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
[pipeline:main]
pipeline = healthcheck KIND-server
[filter:healthcheck]
use = egg:swift#healthcheck
[app:KIND-server]
use = egg:swift#KIND
`

// A node that failed is asked again at once, and one that hangs is given up after 3 s.
const PROXY = `[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats bulk s3api tempauth copy slo dlo versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
error_suppression_limit = 1000000
node_timeout = 3
recoverable_node_timeout = 3
[filter:s3api]
use = egg:swift#s3api
location = ${SWIFT_KEYS.region}
s3_acl = false
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = ${SWIFT_KEYS.secretAccessKey} .admin
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:MEMCACHED
${['catch_errors', 'gatekeeper', 'healthcheck', 'listing_formats', 'bulk', 'copy', 'slo', 'dlo', 'versioned_writes', 'symlink'].map((name) => `[filter:${name}]\nuse = egg:swift#${name}\n`).join('')}`

const CLUSTER = `[swift-hash]
swift_hash_path_prefix = attache
swift_hash_path_suffix = attache
[storage-policy:0]
name = Policy-0
default = yes
`

// The servers read /etc/swift/swift.conf unless they are told otherwise before anything else is imported.
const LAUNCH = `import os, sys
from swift.common import utils
utils.SWIFT_CONF_FILE = os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), 'swift.conf')
kind = sys.argv.pop(1)
from swift.common.wsgi import run_wsgi
more = {}
if kind == 'object':
    from swift.obj import server
    more['global_conf_callback'] = server.global_conf_callback
conf, options = utils.parse_options()
sys.exit(run_wsgi(conf, kind + '-server', **dict(options, **more)))
`

// Arguments: the directory, then kind and port of each. One process: the command line tool takes half a second a call.
const RINGS = `import sys
from swift.common.ring import RingBuilder
for kind, port in zip(sys.argv[2::2], map(int, sys.argv[3::2])):
    ring = RingBuilder(4, 1, 0)
    ring.add_dev(dict(region=1, zone=1, ip='127.0.0.1', port=port, replication_ip='127.0.0.1', replication_port=port,
                      device='d1', weight=1.0, meta=''))
    ring.rebalance(seed=1)
    ring.get_ring().save('%s/%s.ring.gz' % (sys.argv[1], kind))
`
