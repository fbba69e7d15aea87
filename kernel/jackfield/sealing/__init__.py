"""Policy documents, sealed: what stores keep at rest, and what they are moved in.

For plugins that implement ``jackfield.ports.policy_store.PolicyStore`` over something that can keep a few values and
rows: ``Book`` says what to keep, and what was kept means; it does no I/O. AES-256-GCM (NIST SP 800-38D) with a fresh
nonce for each document; its kind, name and version are authenticated with it. The package ``cryptography`` is imported
when something is sealed or opened: ``pip install jackfield[store]``.
"""
