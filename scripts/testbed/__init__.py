"""A federation of two real XMPP servers on this machine's loopback, for a demo or a test run.

Prosody (prosody.test) and ejabberd (ejabberd.test), each with its component domain
(energy.prosody.test, energy.ejabberd.test), speak to each other over TLS with certificates of a
local CA. Reading order:

  network       a pair of free loopback addresses, and names that no DNS server ever hears of
  certificates  the local CA and one certificate per server
  processes     one program: started, watched, ended by its pid
  servers       what the two servers have in common
  prosody       its configuration and command line
  ejabberd      the same for ejabberd
  bed           both servers in one directory, cleaned up whatever happens
  running       what a signal does to a program around it
  courant       the component under test: its configuration, its command line
  senml         packs to publish, and the records of packs received
  sink          a service that counts what it is sent
  people        accounts whose foreign client (slixmpp) logs in, publishes and receives

Only Python's standard library and Debian's python3-slixmpp are used.
"""
