// SPDX-License-Identifier: MIT
/*
 * The grub.cfg interpreter over volumes in memory: configurations as distributions write them, the
 * language, and scripts that want to hurt.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "firmware/disk-choice.h"
#include "firmware/disk-grub.h"
#include "tests/unit/images/fake.h"

#define ROOT_UUID "11111111-2222-3333-4444-555555555555"

static struct disk_mem mem;
static struct disk_volumes disks;
static struct disk_choice choice;
static struct err err;
static struct grub_origin origin;

static int setup(void **state)
{
    (void)state;
    mem = (struct disk_mem){.limit = (size_t)(160 * MIB)};
    memset(&disks, 0, sizeof(disks));
    memset(&choice, 0, sizeof(choice));
    err.text[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    disk_mem_free(&mem);
    return 0;
}

static int choose(const char *path)
{
    struct disk_volume *v = &disks.v[disks.count - 1];
    return grub_choose(&disks, v, path, &mem, &choice, &origin, &err);
}

/* A script on one volume that has two kernels and an initrd */
static int run(const char *script)
{
    const struct fake_file files[] = {
        {"/boot/grub/grub.cfg", script},
        {"/k1", "one"},
        {"/k2", "two"},
        {"/i1", "initrd"},
        {"/empty", ""},
        {"/dir/f", "x"},
        {"/boot/grub/more.cfg", "set more=yes\nif true; then return; fi\nset more=no\n"},
        {"/boot/grub/self.cfg", "source $prefix/self.cfg\n"},
        {"/boot/grub/selfconf.cfg", "configfile $prefix/selfconf.cfg\n"},
        {"/other.cfg", "set default=1\nmenuentry a { linux /k2 wrong }\n"
                       "menuentry b { linux /k1 other }\n"},
        {"/boot/grub/grubenv", "# GRUB Environment Block\nsaved_entry=two\\\\x\na=b=c\n####"},
        {NULL, NULL},
    };
    disks.count = 0;
    fake_volume(&disks, 1, "ABCD-0123", files);
    return choose("/boot/grub/grub.cfg");
}

static void boots(const char *script, const char *kernel, const char *cmdline)
{
    int r = run(script);
    if (r)
        print_message("%s\n%s\n", script, err.text);
    assert_int_equal(r, 0);
    assert_string_equal(choice.kernel.path, kernel);
    assert_string_equal(choice.cmdline, cmdline);
}

/* What the condition makes of itself */
static void is(const char *condition, const char *expected)
{
    char script[1024];
    snprintf(script, sizeof(script),
             "x=a\nempty=\nif %s\nthen w=true\nelse w=false\nfi\n"
             "menuentry m { linux /k1 $w }\n",
             condition);
    boots(script, "/k1", expected);
}

static void test_debian(void **state)
{
    (void)state;
    char *text = fixture("debian12.cfg");
    struct fake_file files[] = {
        {"/boot/grub/grub.cfg", text},
        {"/boot/vmlinuz-6.1.0-13-amd64", "k"},
        {"/boot/initrd.img-6.1.0-13-amd64", "i"},
        {"/boot/vmlinuz-6.1.0-9-amd64", "k"},
        {"/boot/initrd.img-6.1.0-9-amd64", "i"},
        {NULL, NULL},
        {NULL, NULL},
    };
    fake_volume(&disks, 2, ROOT_UUID, files);
    assert_int_equal(choose("/boot/grub/grub.cfg"), 0);
    assert_string_equal(choice.kernel.path, "/boot/vmlinuz-6.1.0-13-amd64");
    assert_int_equal(choice.initrds, 1);
    assert_string_equal(choice.initrd[0].path, "/boot/initrd.img-6.1.0-13-amd64");
    assert_string_equal(choice.cmdline, "root=UUID=" ROOT_UUID " ro console=ttyS0 quiet");
    assert_string_equal(choice.title, "Debian GNU/Linux");
    assert_false(origin.used_bls);

    files[5] = (struct fake_file){"/boot/grub/grubenv",
                                  "# GRUB Environment Block\n"
                                  "next_entry=gnulinux-advanced-" ROOT_UUID
                                  ">gnulinux-6.1.0-9-amd64-recovery-" ROOT_UUID "\n#######"};
    assert_int_equal(choose("/boot/grub/grub.cfg"), 0);
    assert_string_equal(choice.kernel.path, "/boot/vmlinuz-6.1.0-9-amd64");
    assert_string_equal(choice.cmdline, "root=UUID=" ROOT_UUID " ro single");
    free(text);
}

static void test_ubuntu(void **state)
{
    (void)state;
    char *text = fixture("ubuntu.cfg");
    const struct fake_file root[] = {{"/etc/fstab", "x"}, {NULL, NULL}};
    struct fake_file boot[] = {
        {"/grub/grub.cfg", text},
        {"/vmlinuz-6.8.0-31-generic", "k"},
        {"/initrd.img-6.8.0-31-generic", "i"},
        {"/vmlinuz-6.8.0-22-generic", "k"},
        {"/initrd.img-6.8.0-22-generic", "i"},
        {NULL, NULL},
        {NULL, NULL},
    };
    fake_volume(&disks, 1, ROOT_UUID, root);
    fake_volume(&disks, 16, "AAAAAAAA-0000-0000-0000-000000000001", boot);
    assert_int_equal(choose("/grub/grub.cfg"), 0);
    assert_string_equal(choice.kernel.path, "/vmlinuz-6.8.0-31-generic");
    assert_ptr_equal(choice.kernel.volume, &disks.v[1]);
    assert_int_equal(choice.initrds, 0);
    assert_string_equal(choice.cmdline, "root=PARTUUID=abcdef01-02 ro console=tty1 console=ttyS0 "
                                        "panic=-1 vt.handoff=7");

    boot[5] = (struct fake_file){"/grub/grubenv", "# GRUB Environment Block\n"
                                                  "saved_entry=1>1\n##"};
    assert_int_equal(choose("/grub/grub.cfg"), 0);
    assert_string_equal(choice.cmdline, "root=UUID=22 ro advanced");
    assert_int_equal(choice.initrds, 1);

    boot[5].text = "# GRUB Environment Block\ninitrdfail=1\nprev_entry=0\n";
    assert_int_equal(choose("/grub/grub.cfg"), 0);
    assert_int_equal(choice.initrds, 0); /* initrdfail became 2 by then */
    free(text);
}

static void test_fedora(void **state)
{
    (void)state;
    char *text = fixture("fedora.cfg");
    const char *fields = "title Fedora\nversion 6.8.5\nlinux /vmlinuz-6.8.5\n"
                         "initrd /initramfs-6.8.5.img $tuned_initrd\n"
                         "options $kernelopts $tuned_params\ngrub_users $grub_users\n";
    struct fake_file boot[] = {
        {"/grub2/grub.cfg", text},
        {"/loader/entries/abc-6.8.5-301.fc40.x86_64.conf", fields},
        {"/loader/entries/abc-6.8.10-300.fc40.x86_64.conf",
         "title Fedora new\nlinux /vmlinuz-6.8.10\ninitrd /initramfs-6.8.10.img\n"
         "options root=UUID=r ro rhgb quiet\n"},
        {"/loader/entries/abc-0-rescue.conf", "title rescue\nlinux /vmlinuz-0\n"},
        {"/vmlinuz-6.8.5", "k"},
        {"/initramfs-6.8.5.img", "i"},
        {"/vmlinuz-6.8.10", "k"},
        {"/initramfs-6.8.10.img", "i"},
        {NULL, NULL},
        {NULL, NULL},
    };
    fake_volume(&disks, 1, "bbbbbbbb-0000-0000-0000-000000000001", boot);
    assert_int_equal(choose("/grub2/grub.cfg"), 0);
    assert_true(origin.used_bls);
    assert_string_equal(choice.kernel.path, "/vmlinuz-6.8.10");
    assert_string_equal(choice.cmdline, "root=UUID=r ro rhgb quiet");

    boot[8] = (struct fake_file){"/grub2/grubenv", "# GRUB Environment Block\n"
                                                   "saved_entry=abc-6.8.5-301.fc40.x86_64\n"
                                                   "kernelopts=root=UUID=env ro\n###"};
    assert_int_equal(choose("/grub2/grub.cfg"), 0);
    assert_string_equal(choice.kernel.path, "/vmlinuz-6.8.5");
    assert_string_equal(choice.cmdline, "root=UUID=env ro ");
    assert_int_equal(choice.initrds, 1);
    free(text);
}

/* The stub on the system partition finds /boot by its label or uuid, and names the variable in a
 * word of its own; so does the grub.cfg that is there. */
static void coreos(const char *uuid_cfg)
{
    char *text = fixture("coreos.cfg");
    static const char stub[] =
        "if [ -e (md/md-boot) ]; then\n  set prefix=md/md-boot\nelse\n"
        "  if [ -f ${config_directory}/bootuuid.cfg ]; then\n"
        "    source ${config_directory}/bootuuid.cfg\n  fi\n"
        "  if [ -n \"${BOOT_UUID}\" ]; then\n"
        "    search --fs-uuid \"${BOOT_UUID}\" --set prefix --no-floppy\n"
        "  else\n    search --label boot --set prefix --no-floppy\n  fi\nfi\n"
        "set prefix=($prefix)/grub2\nconfigfile $prefix/grub.cfg\n";
    const struct fake_file boot[] = {
        {"/grub2/grub.cfg", text},
        {uuid_cfg ? "/grub2/bootuuid.cfg" : "/none", uuid_cfg ? uuid_cfg : ""},
        {"/ignition.firstboot", ""},
        {"/loader/entries/ostree-1.conf", "title CoreOS\nversion 1\nlinux /ostree/c/vmlinuz\n"
                                          "initrd /ostree/c/initramfs.img\noptions rw "
                                          "$ignition_firstboot ostree=/ostree/boot.1/c/0\n"},
        {"/ostree/c/vmlinuz", "k"},
        {"/ostree/c/initramfs.img", "i"},
        {NULL, NULL},
    };
    const struct fake_file esp[] = {
        {"/EFI/fedora/grub.cfg", stub},
        {uuid_cfg ? "/EFI/fedora/bootuuid.cfg" : "/none", uuid_cfg ? uuid_cfg : ""},
        {NULL, NULL},
    };
    struct disk_volume *v = fake_volume(&disks, 3, "dddddddd-0000-0000-0000-000000000001", boot);
    snprintf(v->label, sizeof(v->label), "%s", uuid_cfg ? "other" : "boot");
    fake_volume(&disks, 2, "EEEE-0001", esp);
    int r = choose("/EFI/fedora/grub.cfg");
    if (r)
        print_message("%s\n", err.text);
    assert_int_equal(r, 0);
    assert_string_equal(choice.kernel.path, "/ostree/c/vmlinuz");
    assert_int_equal(choice.initrds, 1);
    assert_string_equal(choice.cmdline, "rw ignition.firstboot  ostree=/ostree/boot.1/c/0");
    free(text);
}

static void test_coreos(void **state)
{
    coreos(NULL);
    teardown(state);
    setup(state);
    coreos("set BOOT_UUID=\"dddddddd-0000-0000-0000-000000000001\"\n");
}

static void test_opensuse(void **state)
{
    (void)state;
    char *text = fixture("opensuse.cfg");
    const struct fake_file files[] = {
        {"/boot/grub2/grub.cfg", text},
        {"/boot/vmlinuz-6.4.0-150600.21-default", "k"},
        {"/boot/initrd-6.4.0-150600.21-default", "i"},
        {"/boot/vmlinuz-6.4.0-150600.9-default", "k"},
        {"/boot/initrd-6.4.0-150600.9-default", "i"},
        {"/boot/grub2/grubenv",
         "# GRUB Environment Block\nsaved_entry=openSUSE Leap 15.6\nenv_block=+1\n"},
        {NULL, NULL},
    };
    fake_volume(&disks, 2, "cccccccc-0000-0000-0000-000000000001", files);
    assert_int_equal(choose("/boot/grub2/grub.cfg"), 0);
    assert_string_equal(choice.cmdline,
                        "root=UUID=cccccccc-0000-0000-0000-000000000001 splash=silent "
                        "mitigations=auto quiet security=apparmor");
    assert_string_equal(choice.initrd[0].path, "/boot/initrd-6.4.0-150600.21-default");
    free(text);
}

static void test_words(void **state)
{
    (void)state;
    boots("menuentry m { linux /k1 a  b\tc }", "/k1", "a b c");
    boots("menuentry m{\nlinux /k1 'a  b' \"c'd\" e\\ f\n}", "/k1", "\"a  b\" c\\'d \"e f\"");
    boots("x='1 2'\nmenuentry m { linux /k1 $x \"$x\" ${x}y $none \"\" a$none }", "/k1",
          "1 2 \"1 2\" 1 2y  a");
    boots("x=1 # comment ; x=2\n#x=3\nmenuentry m { linux /k1 a#b $x }", "/k1", "a#b 1");
    boots("menuentry m { linux /k1 a \\\n  b; }", "/k1", "a b");
    boots("x=v\nmenuentry m { linux /k1 \"\\$x \\\\ \\\"\" '$x' \\$x }", "/k1",
          "\"$x \\\\ \\\"\" $x $x");
    boots("set root=hd0,gpt1\nmenuentry m { linux ($root)/k1 $root }", "/k1", "hd0,gpt1");
    boots("menuentry m { linux /k1 a b={c} }", "/k1", "a b={c}");
}

static void test_conditions(void **state)
{
    (void)state;
    static const struct {
        const char *condition, *expected;
    } t[] = {
        {"[ -z \"$empty\" ]", "true"},
        {"[ -z \"$x\" ]", "false"},
        {"[ -n \"$x\" ]", "true"},
        {"[ \"$x\" = a ]", "true"},
        {"[ \"$x\" != a ]", "false"},
        {"test x$x = xa", "true"},
        {"[ ! -f /k1 ]", "false"},
        {"[ -f /k1 ]", "true"},
        {"[ -f /none ]", "false"},
        {"[ -s /empty ]", "false"},
        {"[ -e /empty ]", "true"},
        {"[ -d /dir ]", "true"},
        {"[ -d /k1 ]", "false"},
        {"[ -f (hd0,gpt1)/k1 ]", "true"},
        {"[ -f (hd0,gpt7)/k1 ]", "false"},
        {"[ \"$x\" ]", "true"},
        {"[ \"$empty\" ]", "false"},
        {"[ ]", "false"},
        {"[ a = b -o a = a ]", "true"},
        {"[ a = b -a a = a ]", "false"},
        {"[ a = a -a ! b = c ]", "true"},
        {"[ ( a = b ) -o ( 1 -lt 2 ) ]", "true"},
        {"[ 10 -gt 9 -a 10 -le 10 ]", "true"},
        {"true", "true"},
        {"false", "false"},
        {"! false", "true"},
        {"unknown --thing", "true"},
        {"false; true", "true"},
        {"search --file --set=r /k2", "true"},
        {"search -u --set=r none", "false"},
        {"search --fs-uuid --set=r abcd-0123", "true"},
        {"search --label --set=r none", "false"},
        {"search --fs-uuid abcd-0123 --set r --no-floppy; [ \"$r\" = hd0,gpt1 ]", "true"},
        {"search --set r -u abcd-0123; [ \"$r\" = hd0,gpt1 ]", "true"},
        {"search --set=r -u none abcd-0123", "false"},
        {"search -us r abcd-0123; [ \"$r\" = hd0,gpt1 ]", "true"},
        {"search -su r; [ \"$r\" ]", "false"},
        {"search --no-floppy --fs-uuid --set=root abcd-0123; [ $root = hd0,gpt1 ]", "true"},
        {"search --no-floppy --fs-uuid --set=r --hint-bios=hd0,gpt1 --hint-efi=hd0,gpt1 "
         "--hint='x' abcd-0123; [ \"$r\" ]",
         "true"},
        {"search --fs-uuid --hint x --hint-bios y --set=r abcd-0123; [ \"$r\" ]", "true"},
        {"root=x; search -u --set abcd-0123; [ $root = hd0,gpt1 ]", "true"},
        {"root=x; search --set -u abcd-0123; [ $root = hd0,gpt1 ]", "true"},
        {"root=hd0,1; search --file /k2; [ $root = hd0,1 ]", "true"},
        {"search.fs_uuid abcd-0123 r hd0; [ \"$r\" = hd0,gpt1 ]", "true"},
        {"root=hd0,1; search.file /k2; [ $root = hd0,1 ]", "true"},
        {"search --fs-uuid", "false"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(t); i++)
        is(t[i].condition, t[i].expected);
    boots("if false; then x=1; elif true; then x=2; elif true; then x=3; else x=4; fi\n"
          "if false; then y=1; else if true; then y=2; fi; fi\n"
          "if true; then if false; then z=1; else z=2; fi; else z=3; fi\n"
          "menuentry m { linux /k1 $x$y$z }",
          "/k1", "222");
}

static void test_functions(void **state)
{
    (void)state;
    boots("function f { v=\"$1-$2\"; if [ \"$3\" ]; then return; fi; v=\"$v-$#\" }\n"
          "f a 'b c'\nw=\"$v\"\nf 1 2 3\nmenuentry m { linux /k1 \"$w\" $v $1 }",
          "/k1", "\"a-b c-2\" 1-2 m");
    boots("function f { x=1 }\nfunction f { x=2 }\nf\nmenuentry m { linux /k1 $x }", "/k1", "2");
    boots("for i in a b c; do if [ $i = b ]; then continue; fi; x=$x$i; done\n"
          "while [ \"$y\" != aaa ]; do y=${y}a; done\n"
          "until false; do z=${z}b; if [ $z = bb ]; then break; fi; done\n"
          "menuentry m { linux /k1 $x $y $z }",
          "/k1", "ac aaa bb");
    boots("source $prefix/more.cfg\nmenuentry m { linux /k1 $more }", "/k1", "yes");
    boots("eval 'x=1; y=2'\nmenuentry m { linux /k1 $x$y }", "/k1", "12");
    boots("load_env a\nmenuentry m { linux /k1 $a $saved_entry }", "/k1", "b=c");
    boots("load_env\nmenuentry m { linux /k1 $a $saved_entry }", "/k1", "b=c two\\\\x");
    boots("x=1; unset x; menuentry m { linux /k1 [$x] }", "/k1", "[]");
}

#define MENU                                                                                     \
    "menuentry zero --id=id0 --class c { linux /k1 0 }\n"                                        \
    "menuentry one --users u --id id1 --unrestricted { linux /k2 1; initrd /i1 }\n"              \
    "submenu sub --id ids { menuentry a { linux /k1 a }\n menuentry b --id idb { linux /k2 b } " \
    "submenu deep { menuentry c { linux /k1 c } } }\n"                                           \
    "menuentry 'a>b' { linux /k1 arrow }\n"

static void test_default(void **state)
{
    (void)state;
    static const struct {
        const char *set, *cmdline;
    } t[] = {
        {"", "0"},         {"1", "1"},
        {"one", "1"},      {"id1", "1"},
        {"9", "0"},        {"none", "0"},
        {"2", "a"},        {"2>1", "b"},
        {"sub>b", "b"},    {"ids>idb", "b"},
        {"2>2>0", "c"},    {"ids>deep>c", "c"},
        {"2>9", "a"},      {"99999999999999999999", "0"},
        {"a>>b", "arrow"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        char script[1024];
        snprintf(script, sizeof(script), "set default='%s'\n" MENU, t[i].set);
        assert_int_equal(run(script), 0);
        assert_string_equal(choice.cmdline, t[i].cmdline);
    }
    boots("configfile /other.cfg\nmenuentry never { linux /k2 never }", "/k1", "other");
    boots("menuentry m { configfile /other.cfg }", "/k1", "other");
    boots("linux /k1 direct", "/k1", "direct");
    boots(
        "set default=1\nset fallback=0\nmenuentry a { linux /k1 fell }\nmenuentry b { linux /no }",
        "/k1", "fell");
}

static void refuses(const char *script, const char *reason)
{
    int r = run(script);
    assert_true(r < 0 && r != -ENOENT);
    if (!strstr(err.text, reason))
        print_message("wanted \"%s\", got \"%s\"\n", reason, err.text);
    assert_non_null(strstr(err.text, reason));
    disk_mem_free(&mem);
}

static void test_refused(void **state)
{
    (void)state;
    assert_int_equal(run(""), -ENOENT);
    assert_int_equal(run("set x=y\n"), -ENOENT);
    refuses("menuentry m { linux /gone }", "wants kernel /gone");
    refuses("menuentry m { linux /k1\ninitrd /gone }", "wants initrd /gone");
    refuses("menuentry Windows { chainloader +1 }", "\"Windows\" does not boot");
    refuses("menuentry m { true }", "loads no kernel");
    refuses("menuentry m { linux /dir }", "wants kernel /dir");
}

static void test_limits(void **state)
{
    (void)state;
    refuses("while true; do x=1; done", "more steps");
    refuses("function f { f }\nf", "nested too deeply");
    refuses("function f { f; f; }\nfunction g { f }\ng", "nested too deeply");
    refuses("x=aaaaaaaaaaaaaaaa\nwhile true; do x=$x$x; done", "64 KiB");
    refuses("source $prefix/self.cfg", "nested too deeply");
    refuses("configfile $prefix/selfconf.cfg", "nested too deeply");
    refuses("while true; do eval \"v$x=1\"; x=1$x; done", "too many variables");
    refuses("while true; do menuentry m { true }; done", "too many menu entries");
    refuses("while true; do search --file /none; done", "more steps");
    refuses("menuentry m { configfile $prefix/grub.cfg }", "nested too deeply");
    refuses("submenu s { submenu s { submenu s { submenu s { submenu s { submenu s { submenu s { "
            "submenu s { submenu s { menuentry m { linux /k1 } } } } } } } } } }",
            "nested too deeply");

    struct disk_buf b = {.max = (size_t)MIB};
    for (int i = 0; i < 5000; i++)
        disk_buf_put(&b, "if true; then ", 14);
    refuses(b.data, "nested too deeply");
    b.len = 0;
    disk_buf_put(&b, "x=1\nset", 7);
    for (int i = 0; i < 5000; i++)
        disk_buf_put(&b, " word", 5);
    refuses(b.data, "too many words");
    disk_buf_free(&b);
}

/* clang-format off */
static const char *const torn[] = {
    "if", "if [", "if true; then", "while", "for", "for x", "for x in", "function", "function f",
    "function f {", "menuentry", "menuentry {", "menuentry 'x", "x=\"", "${", "$", "\\", "}",
    "{{{{", "fi", "done; do; then", "linux", "initrd", "search", "search --set=", "load_env -f",
    "[", "test !", "[ ( ( ( ]", "submenu {{", "source", "configfile", "if ; then ; fi",
    "for x in; do done", "!", "\"$\"", "\"${\"", "set =", "=", "unset", "return", "break", "eval",
    "'", ";;;;", "$@", "${a", "#", "blscfg", "menuentry m { break; continue; return 1; linux",
    "a{", "a{ b", "\\\n", "x=\\",
};
/* clang-format on */

/* Nothing here has a meaning; it must only end, and not well by accident. */
static void test_torn(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(torn); i++)
        assert_true(run(torn[i]) != 0);
    char *text = fixture("debian12.cfg");
    for (size_t cut = strlen(text); cut > 0; cut -= cut > 37 ? 37 : cut) {
        text[cut] = '\0';
        run(text);
        disk_mem_free(&mem);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_debian, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ubuntu, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fedora, setup, teardown),
        cmocka_unit_test_setup_teardown(test_coreos, setup, teardown),
        cmocka_unit_test_setup_teardown(test_opensuse, setup, teardown),
        cmocka_unit_test_setup_teardown(test_words, setup, teardown),
        cmocka_unit_test_setup_teardown(test_conditions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_functions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_default, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_torn, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
