/** What `--help` prints. */
export const HELP = {
  en: `attache-server VERB

  serve                                   run the service as configured
  start [--json]                          the same with a demo corporation, loopback only
  dev [--memory] [--port N] [--seed FILE] [--fault PRESET[=N]] [--json]
                                          start, with hints, faults and a clock to set: docs/development.md
  app create --corporation NAME [--id ID] a corporation's appKey and appSecurity, shown once
  app list | app disable APPKEY
  keys show --corporation ID [--json]     the pair that signs its links
  keys rotate [--grace SECONDS]           end all links, at once or after a grace
  links revoke --corporation ID           end all links of one corporation
  links revoke --file-id FILE_ID          end all links of one attachment, which stays
  attachment show|remove FILE_ID
  document remove CODE --corporation ID   callers hear 单据已删除 from then on
  audit [--since T] [--until T] [--key KEY | --file-id ID] [--corporation ID] [--reason CODE] [--json]
                                          who got and used which link, who was refused: docs/audit.md
  quota show|recount --corporation ID     what a corporation uses, and may
  quota set --corporation ID [--bytes N] [--attachments N] [--requests N] [--links N] [--thumbnails N]
                                          limits of its own: docs/abuse.md
  verify [--json]                         compare every attachment with its hash
  gc [--remove]                           count, or remove, blobs that no record names
  backup --to DIR                         a copy that is a data directory, made while the server writes
  restore --from DIR                      a backup as a new data directory
  migrate-storage --from DIR [--json]     from a data directory to the stores that the settings name

Settings are environment variables: docs/configuration.md. Exit codes: 0 done, 1 a fault, 2 a mistake in the command or a setting.`,
  zh: `attache-server 命令

  serve                                   按配置运行服务
  start [--json]                          同上，附带演示企业，仅限本机
  dev [--memory] [--port N] [--seed FILE] [--fault PRESET[=N]] [--json]
                                          开发模式：提示、故障注入、可调时钟，见 docs/development.md
  app create --corporation 名称 [--id ID] 为企业创建appKey和appSecurity（只显示一次）
  app list | app disable APPKEY           列出或停用
  keys show --corporation ID [--json]     显示签发其链接的密钥对
  keys rotate [--grace 秒]                轮换密钥，立即或宽限后终止所有链接
  links revoke --corporation ID           终止一个企业的所有链接
  links revoke --file-id FILE_ID          终止一个附件的所有链接，附件保留
  attachment show|remove FILE_ID          查看或删除附件
  document remove CODE --corporation ID   删除单据，此后调用方得到“单据已删除”
  audit [--since 时间] [--until 时间] [--key KEY | --file-id ID] [--corporation ID] [--reason 代码] [--json]
                                          谁取得、使用了哪些链接，谁被拒绝，见 docs/audit.md
  quota show|recount --corporation ID     一个企业的用量与配额
  quota set --corporation ID [--bytes N] [--attachments N] [--requests N] [--links N] [--thumbnails N]
                                          为该企业单独设置配额，见 docs/abuse.md
  verify [--json]                         逐个核对附件的哈希
  gc [--remove]                           统计或删除没有记录引用的文件
  backup --to 目录                        运行中备份，备份本身即可作为数据目录
  restore --from 目录                     将备份恢复为新的数据目录
  migrate-storage --from 目录 [--json]    从数据目录迁移到配置所指的存储

配置为环境变量，见 docs/configuration.md。退出码：0 完成，1 故障，2 命令或配置有误。`,
}
